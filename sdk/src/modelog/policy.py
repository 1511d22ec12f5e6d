"""Policy is data: what a version must show, when it is promoted, when drift asks for retraining.

A decision gets the policy as an argument; this module has the default. Every verdict and every promotion carries the
digest of its policy.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import cached_property

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from modelog.metric_names import Direction, MetricNames
from modelog.values import Name, Value


class Limits(Value):
    """The smallest and the largest value of a metric; both are optional."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    least: FiniteFloat | None = None
    most: FiniteFloat | None = None


class Policy(Value):
    """The rules of a model. The default asks for finite metrics that are not worse than the champion's."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    required: dict[Name, Limits] = {}
    """Metrics that a version must have, and within which limits; `val_auc` meets a requirement of `auc`."""
    directions: dict[Name, Direction | None] = {}
    """Whether a higher or a lower value of a metric is better, in addition to what docs/metrics.md lists; these names
    are used first. With null, a metric is never compared."""
    tolerance: FiniteFloat = Field(default=0.01, ge=0)
    """The share of the champion's value by which a metric may be worse; 0.01 is 1 %."""
    stages: tuple[Name, ...] = ("staging", "production")
    """The stages that a version can be promoted to; each is served by at most a single version."""
    champion_stage: Name = "production"
    """The stage whose version is the champion: challengers are compared with it."""
    promote_to: Name | None = "production"
    """The stage that a validated version is promoted to automatically; null waits for a request."""
    cool_down: timedelta = timedelta(hours=1)
    """The shortest time from a request for retraining to the next."""
    patience: timedelta = timedelta(days=1)
    """How long a request for retraining without an answer prevents the next."""

    @model_validator(mode="after")
    def stages_are_known(self) -> Policy:
        """With a typo in a stage, every promotion would be refused."""
        if taken := {"development", "archived"} & set(self.stages):
            raise ValueError(f"{', '.join(sorted(taken))}: reserved for versions that serve no stage, use another name")
        for stage in (self.promote_to, self.champion_stage):
            if stage is not None and stage not in self.stages:
                raise ValueError(f"expected a stage out of {', '.join(self.stages)}, found {stage}: add it to stages")
        return self

    @cached_property
    def digest(self) -> str:
        """`sha256:` of the policy as JSON with sorted keys."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def metric_names(self) -> MetricNames:
        """The metrics whose direction is known, by their names."""
        return MetricNames(self.directions)

    def direction(self, metric: str) -> Direction | None:
        """Whether a higher or a lower `metric` is better; None if it is unknown or measured on the training data."""
        known = self.metric_names.find(metric)
        return known.direction if known else None


DEFAULT = Policy()
"""The policy of every model that has no policy of its own."""
