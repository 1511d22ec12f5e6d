"""A good example of each event, with the interesting fields as arguments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from modelog.events import (
    DriftDetected,
    DriftRecorded,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelRetired,
    ModelTrained,
    ModelValidated,
    RegistrationRefused,
    RetrainingRequested,
)
from modelog.policy import DEFAULT
from modelog.values import Artifact, Finding

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
RETRAINING = UUID("11111111-2222-3333-4444-555555555555")


def digest(version: int) -> str:
    """A digest made of the version."""
    return f"sha256:{version:064x}"


def uri(version: int) -> str:
    """The address of a version's manifest."""
    return f"s3://modelog/manifests/sha256/{version:064x}"


def after(**span: float) -> datetime:
    """Noon, and so long after it."""
    return NOON + timedelta(**span)


def trained(run: str = "run-1", **other: Any) -> ModelTrained:
    """A run ended."""
    return ModelTrained(model="fraud", run=run, **{"artifact": Artifact(), "metrics": {"f1": 0.9}, **other})


def registered(version: int = 1, run: str | None = None, **other: Any) -> ModelRegistered:
    """A run is a version."""
    fields = {
        "manifest": digest(version),
        "uri": uri(version),
        "size": 3,
        "format": "pickle",
        "files": (),
        "metrics": {"f1": 0.9},
        **other,
    }
    return ModelRegistered(model="fraud", version=version, run=run or f"run-{version}", **fields)


def refused_registration(run: str, reason: Any, sentence: str, answers: UUID | None = None) -> RegistrationRefused:
    """A run is no version."""
    return RegistrationRefused(model="fraud", run=run, reasons=(reason,), sentence=sentence, answers=answers)


def passed(check: str = "bytes as promised") -> Finding:
    """A check that passed."""
    return Finding(check=check, passed=True, required="all", observed="all", sentence="all there")


def validated(version: int = 1, compared_to: int | None = None) -> ModelValidated:
    """A version passed."""
    return ModelValidated(
        model="fraud", version=version, findings=(passed(),), compared_to=compared_to, policy=DEFAULT.digest
    )


def rejected(version: int = 1) -> ModelRejected:
    """A version failed."""
    finding = passed().model_copy(update={"passed": False})
    return ModelRejected(model="fraud", version=version, findings=(finding,), policy=DEFAULT.digest)


def promoted(version: int = 1, stage: str = "production", **other: Any) -> ModelPromoted:
    """A version serves a stage."""
    fields = {
        "by": "policy",
        "manifest": digest(version),
        "uri": uri(version),
        "metrics": {"f1": 0.9},
        "policy": DEFAULT.digest,
        **other,
    }
    return ModelPromoted(model="fraud", version=version, stage=stage, **fields)


def drifted(version: int = 1, drifted: bool = True, score: float = 0.4) -> DriftDetected:
    """A monitor reports."""
    return DriftDetected(
        model="fraud", version=version, detector="ks", score=score, threshold=0.1, drifted=drifted, features=("age",)
    )


def recorded(report: DriftDetected) -> DriftRecorded:
    """The report on the version's record."""
    return DriftRecorded(**dict(report))


def requested(version: int = 1, at: datetime = NOON, **other: Any) -> RetrainingRequested:
    """Training anew is asked for."""
    fields = {"why": "ks scored 0.4, its threshold is 0.1", "retraining": RETRAINING, **other}
    return RetrainingRequested(model="fraud", version=version, requested_at=at, **fields)


def retired(version: int = 1, by: str = "ada", reason: str = "") -> ModelRetired:
    """A version is used no more."""
    return ModelRetired(model="fraud", version=version, by=by, reason=reason)
