"""Random, valid histories of models: the answers of the real deciders to random commands."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from modelog.events import DriftDetected, Fact, ModelRegistered, ModelTrained
from modelog.policy import DEFAULT
from modelog.values import Artifact, Code, Dataset, Experiment, File, Framework, Window

from services.ingestion.decision import Refuse, Register, registration
from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.retraining.decision import Consider, retraining
from services.validation.decision import Judge, validation
from shared.domain.decider import Decider
from shared.domain.looking import BytesSeen
from tests.looking import decided, missing

DECIDERS: tuple[Decider[Any, Any], ...] = (registration, validation, promotion, retraining, retirement)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = DEFAULT.model_copy(update={"cool_down": timedelta(minutes=3), "patience": timedelta(minutes=9)})

LOSSES = [0.3] * 30 + [0.5, float("nan"), float("inf")]

Step = Callable[["History"], None]


class History:
    """The stream of a model; `mix` is how often each step is drawn, by default every kind of command."""

    def __init__(self, model: str, seed: int = 0, mix: Mapping[Step, int] | None = None) -> None:
        self.model = model
        self.mix = mix or MIX
        self.random = random.Random(f"{model}/{seed}")
        self.facts: list[Fact] = []
        self.latest = 0
        self.states: dict[int, tuple[int, Any]] = {}

    def grow(self, facts: int) -> Sequence[Fact]:
        """Draw steps until there are this many facts, and return exactly those."""
        while len(self.facts) < facts:
            self.random.choices(list(self.mix), list(self.mix.values()))[0](self)
        return self.facts[:facts]

    def ask(self, decider: Decider[Any, Any], command: object) -> Sequence[Fact]:
        """Let a decider answer a command, and append its facts."""
        seen, state = self.states.get(id(decider), (0, decider.initial))
        state = decider.after(state, self.facts[seen:])
        self.states[id(decider)] = len(self.facts), state
        facts = decided(decider, state, command)
        self.facts += facts
        return facts

    @property
    def some_version(self) -> int:
        """Mostly a recent version; sometimes a number that does not exist."""
        return max(1, self.latest + 1 - min(int(self.random.expovariate(0.5)), 40))


def trained(history: History, losses: Sequence[float]) -> ModelTrained:
    draw = history.random
    return ModelTrained(
        model=history.model,
        run=f"run-{draw.randrange(10**9) if draw.random() < 0.95 else 1}",
        metrics={"auc": draw.uniform(0.85, 0.86), "loss": draw.choice(losses)},
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


def register(history: History, losses: Sequence[float] = LOSSES) -> None:
    bytes_ = f"{history.random.getrandbits(256):064x}"
    manifest, files = f"sha256:{bytes_}", (File(path="model.joblib", size=1024, sha256=bytes_),)
    command = Register(trained(history, losses), manifest, f"s3://modelog/manifests/{bytes_}", 1024, "joblib", files)
    if any(fact.type == "model.registered" for fact in history.ask(registration, command)):
        history.latest += 1
        if history.random.random() < 0.9:
            judge(history, history.latest)


def refuse(history: History) -> None:
    history.ask(
        registration, Refuse(trained(history, LOSSES), ("missing object",), "there is no object at s3://runs/1")
    )


def judge(history: History, version: int | None = None) -> None:
    problems = missing("a blob is missing") if history.random.random() < 0.1 else ()
    version = version or history.some_version
    manifests = {fact.version: fact.manifest for fact in history.facts if isinstance(fact, ModelRegistered)}
    seen = BytesSeen(manifests.get(version, ""), problems)
    history.ask(validation, Judge(history.model, version, seen, POLICY))


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
        score=draw.choice([5e-324, 1.5e300, float("inf"), draw.random()]),
        threshold=0.2,
        drifted=draw.random() < 0.7,
        features=("feature_1",),
        window=Window(start=at - timedelta(hours=1), end=at),
    )
    history.ask(retraining, Consider(report, uuid.UUID(int=draw.getrandbits(128)), POLICY, at))


def retire(history: History) -> None:
    history.ask(retirement, Retire(history.model, history.some_version, "grace", "old"))


MIX: Mapping[Step, int] = {register: 30, refuse: 2, judge: 4, promote: 24, drift: 14, retire: 6}
STEPS = list(MIX)
FINITE_MIX: Mapping[Step, int] = {partial(register, losses=[0.3, 0.5]): 30} | {step: MIX[step] for step in STEPS[1:]}
"""The same without NaN, so that equal states compare equal."""
