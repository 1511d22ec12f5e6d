"""Every event that modelog reads or publishes, in the order of a model's life.

A *report* is what happened elsewhere, a *request* what somebody asks modelog to do, a *fact* what modelog decided.
The class, the Kafka topic, the CloudEvents type and the log's `kind` have the same name: `ModelPromoted` is
`model.promoted`. Fields are only added, each with a default; a different meaning is a new type. Reasons are added too:
treat a reason that you do not know as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue

from modelog.given import metrics, parameters, tags
from modelog.unknown import unknown_fields
from modelog.values import (
    Artifact,
    Code,
    Dataset,
    Digest,
    Drift,
    Experiment,
    File,
    Finding,
    Framework,
    Items,
    Metrics,
    ModelName,
    Name,
    Sent,
    Value,
    Version,
    refusal,
)


class Event(Value):
    """What every event has: its model, which is its stream in the log, its Kafka key and its unit of consistency."""

    type: ClassVar[str]
    model: ModelName

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.type = re.sub(r"(?<!^)(?=[A-Z])", ".", cls.__name__).lower()


class Report(Event, Sent):
    """What happened elsewhere."""


class Request(Event, Sent):
    """What somebody asks modelog to do."""

    by: Name
    reason: str = ""


class Fact(Event):
    """What modelog decided, logged and published; it never changes."""

    @classmethod
    def given(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The fields, which modelog itself gives: their values are plain already."""
        if not data.keys() <= cls.model_fields.keys():
            raise refusal(cls, ((at, sentence, None) for at, sentence in unknown_fields(cls, data)))
        return dict(data)


class Run(Value):
    """What is known of the run that made a version: `model.trained` reports it, `model.registered` repeats it."""

    run: Name
    metrics: Metrics = {}
    parameters: dict[Name, JsonValue] = {}
    datasets: Items[Dataset] = ()
    features: Items[Name] = ()
    code: Code | None = None
    framework: Framework | None = None
    dependencies: Items[str] = ()
    author: Name | None = None
    trained_at: AwareDatetime | None = None
    description: str = ""
    tags: dict[Name, str] = {}
    experiment: Experiment | None = None
    answers: UUID | None = None


class ModelTrained(Run, Report):
    """A training run ended and left these bytes: register them."""

    artifact: Artifact

    @classmethod
    def given_field(cls, name: str, value: Any, is_text: bool) -> Any:
        """Parameters come back as they are, numbers in tags are texts, and metrics without a value are left out."""
        own = {"metrics": metrics, "parameters": parameters, "tags": tags}.get(name)
        return own(value) if own and isinstance(value, Mapping) else super().given_field(name, value, is_text)


class ModelRegistered(Run, Fact):
    """The run is a version now, and its bytes are stored under the manifest's digest."""

    version: Version
    manifest: Digest
    uri: str
    size: int = Field(ge=0)
    format: str
    files: Items[File]


RegistrationRefusal = Literal[
    "no files",
    "unsafe path",
    "repeated path",
    "missing object",
    "size differs",
    "digest differs",
    "foreign prefix unreadable",
    "too large",
    "run registered with other bytes",
    "run registered with other metrics",
    "run registered with other parameters",
    "run answers another retraining",
]


class RegistrationRefused(Fact):
    """The run was not registered, with the reasons."""

    run: Name
    reasons: tuple[RegistrationRefusal | Name, ...]
    sentence: str
    answers: UUID | None = None


class ModelValidated(Fact):
    """The version passed every check that the policy asks for."""

    version: Version
    findings: Items[Finding]
    compared_to: Version | None = None
    policy: Digest


class ModelRejected(Fact):
    """The version failed at least one check that the policy asks for."""

    version: Version
    findings: Items[Finding]
    compared_to: Version | None = None
    policy: Digest


class PromotionRequested(Request):
    """Somebody wants this version to serve this stage."""

    version: Version
    stage: Name = "production"


class ModelPromoted(Fact):
    """The version serves this stage from now on, instead of the version it replaces; deployers need no other event."""

    version: Version
    stage: Name
    leaves: Name = "development"
    replaces: Version | None = None
    by: Name
    reason: str = ""
    manifest: Digest
    uri: str
    metrics: Metrics = {}
    policy: Digest


PromotionRefusal = Literal[
    "unknown version",
    "unknown stage",
    "not validated",
    "rejected",
    "retired",
    "already serves",
    "worse than the champion",
    "left to people",
    "missing object",
    "size differs",
    "digest differs",
    "unreadable object",
]


class PromotionRefused(Fact):
    """The version was not promoted to this stage, with the reasons."""

    version: Version
    stage: Name
    by: Name
    reasons: tuple[PromotionRefusal | Name, ...]
    sentence: str


class DriftDetected(Drift, Report):
    """A monitor compared a version's inputs with its training data; `drifted` is the monitor's verdict."""


class DriftRecorded(Drift, Fact):
    """The monitor's report was added to the history of the version."""


class RetrainingRequested(Fact):
    """Train this model again, as this version was trained; name this `retraining` in `answers` of the new run."""

    retraining: UUID
    version: Version
    requested_at: AwareDatetime
    why: str
    parameters: dict[Name, JsonValue] = {}
    datasets: Items[Dataset] = ()


RetrainingRefusal = Literal["unknown version", "retired", "replaced", "not drifted", "one is open", "cooling down"]


class RetrainingDeclined(Fact):
    """No retraining was requested after this report, with the reasons."""

    version: Version
    reasons: tuple[RetrainingRefusal | Name, ...]
    sentence: str


class RetirementRequested(Request):
    """Somebody wants this version to be retired."""

    version: Version


class ModelRetired(Fact):
    """The version is retired; its number and its history stay."""

    version: Version
    by: Name
    reason: str = ""


RetirementRefusal = Literal["unknown version", "serves", "already retired"]


class RetirementRefused(Fact):
    """The version was not retired, with the reasons."""

    version: Version
    by: Name
    reasons: tuple[RetirementRefusal | Name, ...]
    sentence: str


class MessageConflicted(Fact):
    """A report or request has the source and the id of another message and other content; it was not answered."""

    message_type: Name
    message_source: str
    message_id: str
    sentence: str


EVENTS: tuple[type[Event], ...] = (
    ModelTrained,
    ModelRegistered,
    RegistrationRefused,
    ModelValidated,
    ModelRejected,
    PromotionRequested,
    ModelPromoted,
    PromotionRefused,
    DriftDetected,
    DriftRecorded,
    RetrainingRequested,
    RetrainingDeclined,
    RetirementRequested,
    ModelRetired,
    RetirementRefused,
    MessageConflicted,
)
"""All of them, in the order of a model's life."""

BY_TYPE: dict[str, type[Event]] = {event.type: event for event in EVENTS}
"""The class for each topic, CloudEvents type and log kind."""
