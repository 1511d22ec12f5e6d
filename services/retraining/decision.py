"""Does a drift report lead to a request for retraining?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from modelog.events import (
    DriftDetected,
    DriftRecorded,
    Fact,
    ModelPromoted,
    ModelRegistered,
    ModelRetired,
    RegistrationRefused,
    RetrainingDeclined,
    RetrainingRefusal,
    RetrainingRequested,
)
from modelog.policy import Policy
from modelog.values import Dataset
from pydantic import JsonValue

from shared.domain.decider import Decider
from shared.domain.paged_map import PagedMap


@dataclass(frozen=True)
class Consider:
    """A monitor reports; `retraining` is the id that a request would have."""

    report: DriftDetected
    retraining: UUID
    policy: Policy
    at: datetime

    @property
    def model(self) -> str:
        return self.report.model


@dataclass(frozen=True)
class Recipe:
    """What a version was trained with, and whether it may still drift."""

    parameters: dict[str, JsonValue]
    datasets: tuple[Dataset, ...]
    status: Literal["current", "replaced", "retired"] = "current"


@dataclass(frozen=True)
class RetrainingState:
    """Every version's recipe; the request that is open; when the last request was made."""

    recipes: PagedMap[int, Recipe] = PagedMap(int, Recipe)
    open: UUID | None = None
    requested_at: datetime | None = None


def evolve(state: RetrainingState, fact: Fact) -> RetrainingState:
    match fact:
        case ModelRegistered(version=version, answers=answered):
            recipe = Recipe(fact.parameters, fact.datasets)
            return _answer(replace(state, recipes=state.recipes.set(version, recipe)), answered)
        case RegistrationRefused(answers=answered):
            return _answer(state, answered)
        case ModelPromoted(version=version, replaces=replaced):
            state = _change(state, version, "current")
            return state if replaced is None else _change(state, replaced, "replaced")
        case ModelRetired(version=version):
            return _change(state, version, "retired")
        case RetrainingRequested(retraining=id, requested_at=at):
            return replace(state, open=id, requested_at=at)
        case _:
            return state


def _answer(state: RetrainingState, answered: UUID | None) -> RetrainingState:
    """A request is closed by the run that names it, whether that was registered or refused."""
    return replace(state, open=None) if answered is not None and answered == state.open else state


def _change(state: RetrainingState, version: int, status: Literal["current", "replaced", "retired"]) -> RetrainingState:
    recipe = replace(state.recipes[version], status=status)
    return replace(state, recipes=state.recipes.set(version, recipe))


def decide(state: RetrainingState, command: Consider) -> Sequence[Fact]:
    report = command.report
    name = f"{report.model}/{report.version}"
    recipe = state.recipes.get(report.version)
    if recipe is None:
        return [declined(report, ["unknown version"], f"{name} is not registered: the log has {len(state.recipes)}")]
    recorded = DriftRecorded(**{field: getattr(report, field) for field in DriftDetected.model_fields})
    reasons: dict[RetrainingRefusal, str] = {}
    if not report.drifted:
        reasons["not drifted"] = f"{report.detector} scored {report.score:.6g} and saw no drift"
    if recipe.status != "current":
        reasons[recipe.status] = f"{name} is {recipe.status}"
    if state.requested_at is not None:
        # The distance, not the difference: after a clock that jumped ahead was set right, requests must go on.
        since = abs(command.at - state.requested_at)
        if state.open is not None and since < command.policy.patience:
            reasons["one is open"] = f"retraining {state.open} is not answered yet"
        if since < command.policy.cool_down:
            reasons["cooling down"] = (
                f"the last request is {since} old, the next may come after {command.policy.cool_down}"
            )
    if reasons:
        return [recorded, declined(report, list(reasons), "; ".join(reasons.values()))]
    return [
        recorded,
        RetrainingRequested(
            model=report.model,
            version=report.version,
            retraining=command.retraining,
            requested_at=command.at,
            why=f"{report.detector} scored {report.score:.6g}, its threshold is {report.threshold:.6g}",
            parameters=recipe.parameters,
            datasets=recipe.datasets,
        ),
    ]


def declined(report: DriftDetected, reasons: Sequence[RetrainingRefusal], sentence: str) -> Fact:
    return RetrainingDeclined(model=report.model, version=report.version, reasons=tuple(reasons), sentence=sentence)


retraining: Decider[RetrainingState, Consider] = Decider(
    "retraining",
    RetrainingState(),
    evolve,
    decide,
    commands=(Consider,),
    remembers=frozenset({ModelRegistered, RegistrationRefused, ModelPromoted, ModelRetired, RetrainingRequested}),
    answers=(DriftRecorded, RetrainingRequested, RetrainingDeclined),
)
