"""Valid histories of models, decided by the real deciders."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from modelog.events import DriftDetected, Fact, ModelRegistered, ModelTrained
from modelog.policy import DEFAULT
from modelog.values import Artifact, Code, Dataset, Experiment, File, Framework, Window

from services.ingestion.decision import Refuse, Register, registration
from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.retraining.decision import Consider, retraining
from services.validation.decision import Judge, validation
from services.views.engine.definition import VIEWS, View
from services.views.engine.projector import Projector
from shared.domain.decider import Decider
from shared.log import Append, Entry, Log
from shared.runtime.postgres import session
from shared.runtime.waiting import run_beside
from tests.integration.desk import until

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = DEFAULT.model_copy(update={"cool_down": timedelta(minutes=3), "patience": timedelta(minutes=9)})


class History:
    """The stream of a model, grown by commands that the real deciders answer."""

    def __init__(self, model: str, seed: int = 0) -> None:
        self.model = model
        self.random = random.Random(f"{model}/{seed}")
        self.facts: list[Fact] = []
        self.latest = 0
        self.states: dict[int, tuple[int, Any]] = {}

    def grow(self, facts: int) -> Sequence[Fact]:
        """Go on at random until there are this many facts, and return exactly those."""
        while len(self.facts) < facts:
            self.step(self.random.choices(STEPS, WEIGHTS)[0])
        return self.facts[:facts]

    def step(self, step: Callable[[History], None]) -> None:
        step(self)

    def ask(self, decider: Decider[Any, Any], command: object) -> Sequence[Fact]:
        seen, state = self.states.get(id(decider), (0, decider.initial))
        state = decider.after(state, self.facts[seen:])
        self.states[id(decider)] = len(self.facts), state
        facts = decider.decide(state, command)
        self.facts += facts
        return facts

    @property
    def some_version(self) -> int:
        """Mostly a recent version; sometimes a version that does not exist."""
        return max(1, self.latest + 1 - min(int(self.random.expovariate(0.5)), 40))


def trained(history: History) -> ModelTrained:
    draw = history.random
    return ModelTrained(
        model=history.model,
        run=f"run-{draw.randrange(10**9) if draw.random() < 0.95 else 1}",
        metrics={"auc": draw.uniform(0.85, 0.86), "loss": draw.choice([0.3] * 30 + [0.5, float("nan"), float("inf")])},
        parameters={"depth": draw.randrange(20), "rate": draw.random(), "nested": {"layers": [64, None, "é"]}},
        datasets=(Dataset(name="clicks", version=str(draw.randrange(99)), uri="s3://data/clicks"),),
        features=tuple(f"feature_{n}" for n in range(draw.randrange(8))),
        code=draw.choice([None, Code(repository="https://example.org/train", commit=f"{draw.getrandbits(160):040x}")]),
        framework=Framework(name="scikit-learn", version="1.7.2"),
        dependencies=("numpy==2.3.4", "scikit-learn==1.7.2"),
        author=draw.choice([None, "ada", "grace"]),
        trained_at=draw.choice([None, BEGAN + timedelta(seconds=draw.randrange(10**7))]),
        description=draw.choice(["", "a nightly run"]),
        tags={"team": draw.choice(["risk", "search"])},
        experiment=draw.choice([None, Experiment(tracker="mlflow", run="r1")]),
        answers=draw.choice([None, uuid.UUID(int=draw.getrandbits(128))]),
        artifact=Artifact(uri="s3://runs/1"),
    )


def register(history: History) -> None:
    bytes_ = f"{history.random.getrandbits(256):064x}"
    manifest, files = f"sha256:{bytes_}", (File(path="model.joblib", size=1024, sha256=bytes_),)
    command = Register(trained(history), manifest, f"s3://modelog/manifests/{bytes_}", 1024, "joblib", files)
    if any(fact.type == "model.registered" for fact in history.ask(registration, command)):
        history.latest += 1
        if history.random.random() < 0.9:
            judge(history, history.latest)


def refuse(history: History) -> None:
    history.ask(registration, Refuse(trained(history), ("missing object",), "there is no object at s3://runs/1"))


def judge(history: History, version: int | None = None) -> None:
    faults = ("a blob is missing",) if history.random.random() < 0.1 else ()
    version = version or history.some_version
    manifests = {fact.version: fact.manifest for fact in history.facts if isinstance(fact, ModelRegistered)}
    history.ask(validation, Judge(history.model, version, manifests.get(version, ""), faults, POLICY))


def promote(history: History) -> None:
    stage = history.random.choices(["staging", "production", "nowhere"], [4, 6, 1])[0]
    automatic = history.random.random() < 0.3
    history.ask(promotion, Promote(history.model, history.some_version, stage, "ada", "looks good", POLICY, automatic))


def drift(history: History) -> None:
    draw = history.random
    at = BEGAN + timedelta(minutes=len(history.facts))
    report = DriftDetected(
        model=history.model,
        version=history.some_version,
        detector="psi",
        score=draw.choice([5e-324, 1.5e300, draw.random()]),
        threshold=0.2,
        drifted=draw.random() < 0.7,
        features=("feature_1",),
        window=Window(start=at - timedelta(hours=1), end=at),
    )
    history.ask(retraining, Consider(report, uuid.UUID(int=draw.getrandbits(128)), POLICY, at))


def retire(history: History) -> None:
    history.ask(retirement, Retire(history.model, history.some_version, "grace", "old"))


STEPS = [register, refuse, judge, promote, drift, retire]
WEIGHTS = [30, 2, 4, 24, 14, 6]


def mingled(histories: Iterable[tuple[str, Sequence[Fact]]], seed: int = 0) -> list[tuple[str, Fact]]:
    """The facts of many streams in a random order that keeps the order of each stream."""
    streams = {model: iter(facts) for model, facts in histories}
    order = [model for model, facts in histories for _ in facts]
    random.Random(seed).shuffle(order)
    return [(model, next(streams[model])) for model in order]


async def write(log: Log, facts: Iterable[tuple[str, Fact]], heads: dict[str, int]) -> int:
    """Append in this order, each fact in an append of its own; return the last position.

    `heads` holds the length of each stream, and is updated.
    """
    position = 0
    for model, fact in facts:
        head = heads.get(model, 0)
        entry = Entry(fact.type, uuid.UUID(int=head + 1), fact.model_dump_json(), "{}")
        position = (await log.append([Append(model, head, [entry])]))[model].position
        heads[model] = head + 1
    return position


def facts_of(facts: Iterable[Fact]) -> list[tuple[str, Fact]]:
    """Facts as `write` takes them."""
    return [(fact.model, fact) for fact in facts]


def grown(models: Sequence[str], seed: int, facts: int) -> list[tuple[str, Fact]]:
    """A random valid history of these models, in a random order."""
    return mingled([(model, History(model, seed).grow(facts)) for model in models], seed)


@asynccontextmanager
async def projecting(log: Log, views: Sequence[View] = VIEWS) -> AsyncIterator[Projector]:
    """A projector with all views at its position; the test advances it."""
    async with session(log.pool) as connection:
        projector = Projector(log.pool, connection, views)
        await projector.open()
        async with run_beside(*(projector.tend(view) for view in views)):
            await until(lambda: complete(projector), "all views at the position of the projector")
            yield projector


async def complete(projector: Projector) -> bool:
    """Whether every view is followed, with its own fold."""
    found = projector.followed
    return all(
        view.name in found and found[view.name].view is view and found[view.name].current for view in projector.views
    )
