"""Policy is data: what a version must show, when it is promoted, when drift asks for retraining.

Decisions are handed a policy; this module ships the default. A policy is named by its digest, which every verdict and
every promotion carries.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from modelog.values import Name, Value

Direction = Literal["higher", "lower"]

HIGHER = [
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "sensitivity",
    "specificity",
    "f1",
    "fbeta",
    "auc",
    "roc_auc",
    "pr_auc",
    "average_precision",
    "map",
    "ndcg",
    "mrr",
    "hit_rate",
    "r2",
    "explained_variance",
    "kappa",
    "mcc",
    "jaccard",
    "iou",
    "dice",
    "bleu",
    "rouge",
    "meteor",
    "exact_match",
    "silhouette",
    "gini",
]

LOWER = [
    "loss",
    "log_loss",
    "cross_entropy",
    "brier",
    "mae",
    "mse",
    "rmse",
    "msle",
    "rmsle",
    "mape",
    "smape",
    "medae",
    "max_error",
    "deviance",
    "hinge",
    "perplexity",
    "wer",
    "cer",
    "fid",
    "error",
    "error_rate",
    "ece",
    "latency",
    "latency_ms",
]


class Limits(Value):
    """The least and the most that a metric may be; either may be left out."""

    least: FiniteFloat | None = None
    most: FiniteFloat | None = None


class Policy(Value):
    """The rules of a model. The default asks for finite metrics that are not worse than the champion's."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    required: dict[Name, Limits] = {}
    """Metrics that a version must have, and within which limits."""
    directions: dict[Name, Direction] = {**dict.fromkeys(HIGHER, "higher"), **dict.fromkeys(LOWER, "lower")}
    """Which way a metric is better."""
    tolerance: FiniteFloat = Field(default=0.01, ge=0)
    """By which share of the champion's value a metric may be worse."""
    stages: tuple[Name, ...] = ("staging", "production")
    """The stages a version can be promoted to, each served by one version at a time."""
    champion_stage: Name = "production"
    """The stage whose version is the champion: challengers are compared with it."""
    promote_to: Name | None = "production"
    """The stage a validated version is promoted to without being asked; null waits for a wish."""
    cool_down: timedelta = timedelta(hours=1)
    """The least time from one request for retraining to the next."""
    patience: timedelta = timedelta(days=1)
    """How long an unanswered request for retraining holds back the next."""

    @model_validator(mode="after")
    def stages_are_known(self) -> Policy:
        """A typo in a stage would have every promotion refused."""
        if taken := {"development", "archived"} & set(self.stages):
            raise ValueError(f"{', '.join(sorted(taken))}: versions stand there that serve no stage, name it otherwise")
        for stage in (self.promote_to, self.champion_stage):
            if stage is not None and stage not in self.stages:
                raise ValueError(f"expected a stage out of {', '.join(self.stages)}, found {stage}: add it to stages")
        return self

    @cached_property
    def digest(self) -> str:
        """`sha256:` of the policy as JSON with sorted keys."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    def direction(self, metric: str) -> Direction | None:
        """Which way `metric` is better, or None if the policy does not know or the metric is of the training data.

        `val_`, `test_`, `eval_`, `valid_`, `validation_`, `cv_`, `holdout_` before a name and `_score` after it are
        looked through, and so are case, spaces, `-`, `/` and `.`: `test/F1-score` is `f1`.
        """
        name = metric.lower()
        for mark in "-/. ":
            name = name.replace(mark, "_")
        if found := self.directions.get(metric) or self.directions.get(name):
            return found
        if name.startswith(("train_", "training_")):
            return None
        for before in ("val_", "test_", "eval_", "valid_", "validation_", "cv_", "holdout_"):
            name = name.removeprefix(before)
        return self.directions.get(name) or self.directions.get(name.removesuffix("_score"))


DEFAULT = Policy()
"""The policy of every model that has none of its own."""
