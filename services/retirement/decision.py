"""May a version be retired?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import NoneType

from immutables import Map
from modelog.events import Fact, ModelPromoted, ModelRegistered, ModelRetired, RetirementRefusal, RetirementRefused

from shared.domain.decider import Decider
from shared.domain.paged_map import PagedMap
from shared.domain.stages import after_promotion


@dataclass(frozen=True)
class Retire:
    """Retire the version."""

    model: str
    version: int
    by: str
    reason: str


@dataclass(frozen=True)
class ServingAndRetired:
    """The latest version, the version of each stage, and the retired versions."""

    latest: int = 0
    serving: Map[str, int] = Map()
    retired: PagedMap[int, None] = PagedMap(int, NoneType)


def evolve(state: ServingAndRetired, fact: Fact) -> ServingAndRetired:
    match fact:
        case ModelRegistered(version=version):
            return replace(state, latest=version)
        case ModelPromoted(version=version):
            return replace(state, serving=after_promotion(state.serving, fact, version))
        case ModelRetired(version=version):
            return replace(state, retired=state.retired.set(version, None))
        case _:
            return state


def decide(state: ServingAndRetired, command: Retire) -> Sequence[Fact]:
    name = f"{command.model}/{command.version}"
    if command.version > state.latest:
        return [refused(command, "unknown version", f"{name} is not registered: the log has {state.latest}")]
    if command.version in state.retired:
        return [refused(command, "already retired", f"{name} is retired already")]
    for stage, version in state.serving.items():
        if version == command.version:
            return [refused(command, "serves", f"{name} serves {stage}: promote another version there first")]
    return [ModelRetired(model=command.model, version=command.version, by=command.by, reason=command.reason)]


def refused(command: Retire, reason: RetirementRefusal, sentence: str) -> Fact:
    return RetirementRefused(
        model=command.model, version=command.version, by=command.by, reasons=(reason,), sentence=sentence
    )


retirement: Decider[ServingAndRetired, Retire] = Decider(
    "retirement",
    ServingAndRetired(),
    evolve,
    decide,
    commands=(Retire,),
    remembers=frozenset({ModelRegistered, ModelPromoted, ModelRetired}),
    answers=(ModelRetired, RetirementRefused),
)
