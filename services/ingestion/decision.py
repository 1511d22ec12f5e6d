"""Which version does a run become, if any?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import blake2b
from math import isfinite
from typing import NamedTuple

from modelog.events import Fact, ModelRegistered, ModelTrained, RegistrationRefusal, RegistrationRefused, Run
from modelog.values import File
from pydantic import JsonValue

from shared.domain.decider import Decider
from shared.domain.paged_map import PagedMap


@dataclass(frozen=True)
class Register:
    """The run's bytes are pinned: give it a number."""

    trained: ModelTrained
    manifest: str
    uri: str
    size: int
    format: str
    files: tuple[File, ...]

    @property
    def model(self) -> str:
        return self.trained.model


@dataclass(frozen=True)
class Refuse:
    """The run's bytes cannot be pinned."""

    trained: ModelTrained
    reasons: tuple[RegistrationRefusal, ...]
    sentence: str

    @property
    def model(self) -> str:
        return self.trained.model


class Registered(NamedTuple):
    """What a run was registered with, as texts without spaces: of metrics and parameters a digest.

    One text of all of them is a third of the memory of a dataclass, and blocks of it are read five times as fast.
    """

    version: str
    manifest: str
    metrics: str
    parameters: str
    answers: str

    @classmethod
    def of(cls, run: Run, version: int, manifest: str) -> Registered:
        answers = "none" if run.answers is None else str(run.answers)
        return cls(str(version), manifest, _digest(run.metrics), _digest(run.parameters), answers)


@dataclass(frozen=True)
class Runs:
    """The latest version's number, and what each run was registered with."""

    latest: int = 0
    registered: PagedMap[str, str] = PagedMap(str, str)


def evolve(state: Runs, fact: Fact) -> Runs:
    match fact:
        case ModelRegistered(run=run, version=version, manifest=manifest):
            registered = " ".join(Registered.of(fact, version, manifest))
            return replace(state, latest=version, registered=state.registered.set(run, registered))
        case _:
            return state


def decide(state: Runs, command: Register | Refuse) -> Sequence[Fact]:
    trained = command.trained
    if isinstance(command, Refuse):
        return [refused(trained, command.reasons, command.sentence)]
    known = state.registered.get(trained.run)
    if known is not None:
        return _compared(trained, Registered(*known.split(" ")), command.manifest)
    run = {name: getattr(trained, name) for name in Run.model_fields}
    return [
        ModelRegistered(
            model=trained.model,
            version=state.latest + 1,
            manifest=command.manifest,
            uri=command.uri,
            size=command.size,
            format=command.format,
            files=command.files,
            **run,
        )
    ]


def _compared(trained: ModelTrained, known: Registered, manifest: str) -> Sequence[Fact]:
    """A report of a run that is registered: nothing where it is the same, a refusal of what differs."""
    found = Registered.of(trained, int(known.version), manifest)
    differs: dict[RegistrationRefusal, str] = {}
    if found.manifest != known.manifest:
        differs["run registered with other bytes"] = f"with {known.manifest}, this report brings {manifest}"
    if found.metrics != known.metrics:
        differs["run registered with other metrics"] = "with other metrics"
    if found.parameters != known.parameters:
        differs["run registered with other parameters"] = "with other parameters"
    if found.answers != known.answers:
        differs["run answers another retraining"] = f"as answer to {known.answers}, this report answers {found.answers}"
    if not differs:
        return []
    sentence = (
        f"run {trained.run} is version {known.version} of {trained.model}, registered "
        f"{'; '.join(differs.values())}: what is known of a run never changes, report it as a new run"
    )
    return [refused(trained, tuple(differs), sentence)]


def _digest(values: Mapping[str, JsonValue]) -> str:
    """The same for values that the log gives back as they came: 1 and 1.0 are the same number, NaN is itself."""
    if not values:
        return "none"
    text = json.dumps(_plain(values), sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    """Numbers as Postgres prints them: 1.0 as 1, 1e300 in full, and what is not finite as text."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    if isinstance(value, float) and not isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    return value


def refused(trained: ModelTrained, reasons: tuple[RegistrationRefusal, ...], sentence: str) -> Fact:
    return RegistrationRefused(
        model=trained.model, run=trained.run, reasons=reasons, sentence=sentence, answers=trained.answers
    )


registration: Decider[Runs, Register | Refuse] = Decider(
    "ingestion",
    Runs(),
    evolve,
    decide,
    commands=(Register, Refuse),
    remembers=frozenset({ModelRegistered}),
    answers=(ModelRegistered, RegistrationRefused),
)
