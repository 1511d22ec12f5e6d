"""Every event modelog hears or says, in the order of a model's life.

A *report* is what the world tells us, a *wish* (`….requested`) is what somebody wants, a *fact* is what we said.
The name of the class, the Kafka topic, the CloudEvents type and the log's `kind` are one name: `ModelPromoted` is
`model.promoted`. Facts only grow: a new field has a default, a new meaning is a new type. Reasons grow too, so a reader
takes one that it does not know as the text that it is.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, FiniteFloat, JsonValue

from modelog.values import (
    Artifact,
    Code,
    Dataset,
    Digest,
    Experiment,
    File,
    Finding,
    Framework,
    Metrics,
    ModelName,
    Name,
    Value,
    Version,
    Window,
)


class Event(Value):
    """What every event has: the model it speaks of, which is its stream, its Kafka key and its unit of consistency."""

    type: ClassVar[str]
    model: ModelName

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.type = re.sub(r"(?<!^)(?=[A-Z])", ".", cls.__name__).lower()


class Report(Event):
    """What the world tells us."""


class Request(Event):
    """What somebody wants of us."""

    by: Name
    reason: str = ""


class Fact(Event):
    """What we said: decided, logged and published, never changed."""


class Run(Value):
    """What is known of the run that made a version, said by `model.trained` and kept by `model.registered`."""

    run: Name
    metrics: Metrics = {}
    parameters: dict[Name, JsonValue] = {}
    datasets: tuple[Dataset, ...] = ()
    features: tuple[Name, ...] = ()
    code: Code | None = None
    framework: Framework | None = None
    dependencies: tuple[str, ...] = ()
    author: Name | None = None
    trained_at: AwareDatetime | None = None
    description: str = ""
    tags: dict[Name, str] = {}
    experiment: Experiment | None = None
    answers: UUID | None = None


class ModelTrained(Run, Report):
    """A training run ended and left these bytes: register them."""

    artifact: Artifact


class ModelRegistered(Run, Fact):
    """The run is a version now, and its bytes are pinned under the manifest's digest."""

    version: Version
    manifest: Digest
    uri: str
    size: int = Field(ge=0)
    format: str
    files: tuple[File, ...]


RegistrationRefusal = Literal[
    "no files",
    "unsafe path",
    "repeated path",
    "missing object",
    "size differs",
    "digest differs",
    "foreign prefix unreadable",
    "run registered with other bytes",
]


class RegistrationRefused(Fact):
    """The run is no version, and why."""

    run: Name
    reasons: tuple[RegistrationRefusal | Name, ...]
    sentence: str
    answers: UUID | None = None


class ModelValidated(Fact):
    """The version passed every check that the policy asks for."""

    version: Version
    findings: tuple[Finding, ...]
    compared_to: Version | None = None
    policy: Digest


class ModelRejected(Fact):
    """The version failed at least one check that the policy asks for."""

    version: Version
    findings: tuple[Finding, ...]
    compared_to: Version | None = None
    policy: Digest


class PromotionRequested(Request):
    """Somebody wants this version to serve this stage."""

    version: Version
    stage: Name = "production"


class ModelPromoted(Fact):
    """The version serves this stage from now on, instead of the one it replaces; all that a deployer needs is here."""

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
]


class PromotionRefused(Fact):
    """The version does not come to serve this stage, and why."""

    version: Version
    stage: Name
    by: Name
    reasons: tuple[PromotionRefusal | Name, ...]
    sentence: str


class Drift(Value):
    """What a monitor saw, said by `drift.detected` and kept by `drift.recorded`."""

    version: Version
    detector: Name
    score: FiniteFloat
    threshold: FiniteFloat
    drifted: bool
    features: tuple[Name, ...] = ()
    window: Window | None = None
    report: str | None = None


class DriftDetected(Drift, Report):
    """A monitor compared what a version sees with what it was trained on; `drifted` is the monitor's verdict."""


class DriftRecorded(Drift, Fact):
    """What the monitor reported, on the version's own record."""


class RetrainingRequested(Fact):
    """Train this model again, starting from what this version was trained with; answer with its id in `answers`."""

    retraining: UUID
    version: Version
    requested_at: AwareDatetime
    why: str
    parameters: dict[Name, JsonValue] = {}
    datasets: tuple[Dataset, ...] = ()


RetrainingRefusal = Literal["unknown version", "retired", "replaced", "not drifted", "one is open", "cooling down"]


class RetrainingDeclined(Fact):
    """No retraining follows from this report, and why."""

    version: Version
    reasons: tuple[RetrainingRefusal | Name, ...]
    sentence: str


class RetirementRequested(Request):
    """Somebody wants this version to be used no more."""

    version: Version


class ModelRetired(Fact):
    """The version is used no more; its number and its history stay."""

    version: Version
    by: Name
    reason: str = ""


RetirementRefusal = Literal["unknown version", "serves", "already retired"]


class RetirementRefused(Fact):
    """The version is not retired by this wish, and why."""

    version: Version
    by: Name
    reasons: tuple[RetirementRefusal | Name, ...]
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
)
"""All of them, in the order of a model's life."""

BY_TYPE: dict[str, type[Event]] = {event.type: event for event in EVENTS}
"""The class for each topic, CloudEvents type and log kind."""
