"""Which version does a run become, if any?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from modelog.events import Fact, ModelRegistered, ModelTrained, RegistrationRefusal, RegistrationRefused, Run
from modelog.values import File

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


@dataclass(frozen=True)
class Runs:
    """The latest version's number, and the manifest that each run was registered with."""

    latest: int = 0
    manifests: PagedMap[str, str] = PagedMap(str, str)


def evolve(state: Runs, fact: Fact) -> Runs:
    match fact:
        case ModelRegistered(run=run, version=version, manifest=manifest):
            return replace(state, latest=version, manifests=state.manifests.set(run, manifest))
        case _:
            return state


def decide(state: Runs, command: Register | Refuse) -> Sequence[Fact]:
    trained = command.trained
    if isinstance(command, Refuse):
        return [refused(trained, command.reasons, command.sentence)]
    match state.manifests.get(trained.run):
        case None:
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
        case command.manifest:
            return []
        case other:
            return [
                refused(
                    trained,
                    ("run registered with other bytes",),
                    f"run {trained.run} of {trained.model} is registered with {other}, this report brings "
                    f"{command.manifest}: a run's bytes never change, report new bytes under a new run",
                )
            ]


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
