"""The views, computed from the log in plain Python: what the SQL is compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from modelog.events import (
    BY_TYPE,
    DriftRecorded,
    Fact,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelRetired,
    ModelValidated,
    PromotionRefused,
    RetirementRefused,
    Run,
)

from shared.log import Log

Row = dict[str, Any]
Views = dict[str, dict[tuple[Any, ...], Row]]

COUNTS = {
    "model.registered": "versions",
    "model.validated": "validated",
    "model.rejected": "rejected",
    "model.promoted": "promotions",
    "model.retired": "retired",
    "drift.recorded": "drifts",
    "retraining.requested": "retrainings",
    "registration.refused": "refusals",
    "promotion.refused": "refusals",
    "retraining.declined": "refusals",
    "retirement.refused": "refusals",
}

LATER = [
    "verdict",
    "findings",
    "compared_to",
    "policy",
    "judged_at",
    "promoted_at",
    "promoted_by",
    "replaced_at",
    "drift_at",
    "drift_score",
    "drifted",
    "retired_at",
    "retired_by",
    "retired_reason",
    "refused_at",
    "refusal",
]


async def plain(log: Log, models: Iterable[str], champion_stage: str = "production") -> Views:
    """Every view of these models, fact after fact."""
    views: Views = {"version": {}, "model": {}, "serving": {}}
    rows = await log.pool.fetch(
        "select position, kind, at, data from log.event where stream = any ($1) order by position", list(models)
    )
    for position, kind, at, data in rows:
        fact = BY_TYPE[kind].model_validate_json(data)
        assert isinstance(fact, Fact)
        _version(views["version"], fact, at, position)
        _model(views["model"], fact, at, position, champion_stage)
        _serving(views["serving"], fact, at, position)
    return views


def _version(rows: dict[tuple[Any, ...], Row], fact: Fact, at: datetime, position: int) -> None:
    row = rows.get((fact.model, getattr(fact, "version", None)), {})
    match fact:
        case ModelRegistered():
            registration = json.loads(fact.model_dump_json())
            row = {
                name: registration[name] for name in [*Run.model_fields, "manifest", "uri", "size", "format", "files"]
            }
            row |= {"model": fact.model, "version": fact.version, "status": "registered", "stage": "development"}
            row |= {"registered_at": at, "drifts": 0, **dict.fromkeys(LATER)}
            rows[fact.model, fact.version] = row
        case ModelValidated() | ModelRejected():
            verdict = "validated" if isinstance(fact, ModelValidated) else "rejected"
            row |= {"verdict": verdict, "status": "retired" if row["retired_at"] else verdict, "judged_at": at}
            row |= {"findings": [finding.model_dump() for finding in fact.findings]}
            row |= {"compared_to": fact.compared_to, "policy": fact.policy}
        case ModelPromoted():
            row |= {"stage": fact.stage, "promoted_at": at, "promoted_by": fact.by}
            if fact.replaces is not None:
                rows[fact.model, fact.replaces] |= {"stage": "archived", "replaced_at": at, "position": position}
        case DriftRecorded():
            row |= {"drifts": row["drifts"] + 1, "drift_at": at, "drift_score": fact.score, "drifted": fact.drifted}
        case ModelRetired():
            row |= {"status": "retired", "retired_at": at, "retired_by": fact.by, "retired_reason": fact.reason}
        case PromotionRefused() | RetirementRefused() if not {"unknown version", "unknown stage"} & set(fact.reasons):
            row |= {"refused_at": at, "refusal": fact.sentence}
        case _:
            return
    row["position"] = position


def _model(rows: dict[tuple[Any, ...], Row], fact: Fact, at: datetime, position: int, champion_stage: str) -> None:
    new = {"model": fact.model, "latest": None, "serving": None, "serving_since": None, "first_at": at}
    row = rows.setdefault((fact.model,), new | dict.fromkeys(COUNTS.values(), 0))
    if fact.type in COUNTS:
        row[COUNTS[fact.type]] += 1
    row |= {"changed_at": at, "changed": fact.type, "position": position}
    match fact:
        case ModelRegistered():
            row["latest"] = fact.version
        case ModelPromoted() if fact.stage == champion_stage:
            row |= {"serving": fact.version, "serving_since": at}
        case ModelPromoted() if fact.leaves == champion_stage:
            row |= {"serving": None, "serving_since": at}
    row["awaiting"] = row["versions"] - row["validated"] - row["rejected"]


def _serving(rows: dict[tuple[Any, ...], Row], fact: Fact, at: datetime, position: int) -> None:
    if not isinstance(fact, ModelPromoted):
        return
    both = {"model": fact.model, "since": at, "by": fact.by, "reason": fact.reason, "position": position}
    filled = {"version": fact.version, "previous": fact.replaces, "manifest": fact.manifest, "uri": fact.uri}
    rows[fact.model, fact.stage] = {**both, **filled, "stage": fact.stage}
    if fact.leaves not in ("development", "archived"):
        emptied = {"version": None, "previous": fact.version, "manifest": None, "uri": None}
        rows[fact.model, fact.leaves] = {**both, **emptied, "stage": fact.leaves}
