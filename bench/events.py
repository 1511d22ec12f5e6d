"""Reports as pipelines and monitors send them, and the histories that the deciders make of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from modelog.events import DriftDetected, ModelTrained
from modelog.policy import DEFAULT
from modelog.values import Artifact, Code, Dataset, File, Framework, Window

from services.ingestion.decision import Register, registration
from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.retraining.decision import Consider, retraining
from services.validation.decision import Judge, validation
from shared.domain.looking import BytesProblem, BytesSeen
from tests.histories import History

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "5e" * 32
FILES = (File(path="model.joblib", size=1024, sha256=DIGEST),)


def trained(model: str, run: str, artifact: Artifact | None = None) -> ModelTrained:
    """A run as a careful pipeline reports it, about 900 bytes."""
    return ModelTrained(
        model=model,
        run=run,
        metrics={"auc": 0.912, "f1": 0.874, "log_loss": 0.231, "latency_ms": 12.5},
        parameters={"depth": 8, "rate": 0.05, "rounds": 400, "subsample": 0.8},
        datasets=(Dataset(name="transactions", version="2026-01-01", uri="s3://data/transactions/2026-01-01"),),
        features=("amount", "country", "hour", "merchant", "device", "velocity"),
        code=Code(repository="https://example.org/fraud/train.git", commit="c0ffee" * 6 + "beef"),
        framework=Framework(name="scikit-learn", version="1.7.2"),
        dependencies=("numpy==2.3.4", "scikit-learn==1.7.2"),
        author="ada",
        trained_at=BEGAN,
        tags={"team": "risk"},
        artifact=artifact or Artifact(files=FILES),
    )


def drifted(model: str, version: int = 1, score: float = 0.31) -> DriftDetected:
    """A monitor's report, about 350 bytes."""
    return DriftDetected(
        model=model,
        version=version,
        detector="psi",
        score=score,
        threshold=0.2,
        drifted=score > 0.2,
        features=("amount", "country"),
        window=Window(start=BEGAN, end=BEGAN + timedelta(hours=1)),
        report="s3://monitoring/reports/2026-01-01T00.html",
    )


def history(model: str) -> History:
    """The stream of a model that is trained again and again."""
    return History(model, mix={_train: 1})


def _train(history: History) -> None:
    """A version, its verdict, mostly its promotion, some drift, and the retirement of an old version."""
    model, dice = history.model, history.random
    history.latest += 1
    manifest, uri = f"sha256:{DIGEST}", f"s3://modelog/manifests/sha256/{DIGEST}"
    run = trained(model, f"run-{history.latest}")
    history.ask(registration, Register(run, manifest, uri, 1024, "joblib", FILES))
    missing = BytesProblem("missing object", "expected model.joblib, found no object: upload it again")
    seen = BytesSeen(manifest, (missing,) if dice.random() < 0.1 else ())
    history.ask(validation, Judge(model, history.latest, seen, DEFAULT))
    if dice.random() < 0.8:
        reason = f"every check of policy {DEFAULT.digest} passed"
        history.ask(promotion, Promote(model, history.latest, "production", "policy", reason, DEFAULT))
    for _ in range(dice.randrange(3)):
        at = BEGAN + timedelta(minutes=len(history.facts))
        report = drifted(model, history.latest, dice.random())
        history.ask(retraining, Consider(report, UUID(int=dice.getrandbits(128)), DEFAULT, at))
    if history.latest > 5 and dice.random() < 0.5:
        history.ask(retirement, Retire(model, history.latest - 5, "grace", "it is not used any more"))
