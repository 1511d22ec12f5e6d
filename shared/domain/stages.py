"""The stages of a model: which version serves each, after a promotion."""

from __future__ import annotations

from typing import TypeVar

from immutables import Map
from modelog.events import ModelPromoted

V = TypeVar("V")

DEVELOPMENT, ARCHIVED = "development", "archived"
"""Where a version is before it serves, and after another replaced it: these are no stages that serve."""


def after_promotion(serving: Map[str, V], promoted: ModelPromoted, version: V) -> Map[str, V]:
    """Stage to version after `promoted`: the version serves the new stage, and no longer the stage that it leaves."""
    if promoted.leaves in serving:
        serving = serving.delete(promoted.leaves)
    return serving.set(promoted.stage, version)
