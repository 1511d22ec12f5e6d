"""The topics that the relay goes on without, and when each may be tried again."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge
from pydantic import JsonValue

logger = structlog.get_logger()

HELD = Gauge("modelog_relay_held_topics", "Topics that do not take their facts, or are being filled.")

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 30.0
"""Between two attempts at a topic that has refused."""


@dataclass
class Held:
    """A topic that has its facts up to `position`; `why` it takes no others, or None while it is being filled."""

    position: int
    why: str | None = None
    pause_seconds: float = 0.0
    retry_at: float = 0.0
    max_facts: int = sys.maxsize
    is_missing: bool = False
    filled: int = 0

    def refuse(self, why: str) -> None:
        """It takes no facts; the next attempt is a single fact."""
        self.pause_seconds = min(MAX_RETRY_SECONDS, 2 * self.pause_seconds or MIN_RETRY_SECONDS)
        self.retry_at = time.monotonic() + self.pause_seconds
        self.why, self.max_facts = why, 1


class Holding:
    """The held topics by the kind of their facts; `log.held_topic` has their positions."""

    def __init__(self) -> None:
        self.topics: dict[str, Held] = {}
        HELD.set(0)

    def read(self, positions: Mapping[str, int]) -> None:
        """Know the topics of the table, and no others."""
        self.topics = {kind: self.topics.get(kind) or Held(position) for kind, position in positions.items()}
        for kind, position in positions.items():
            self.topics[kind].position = position
        HELD.set(len(self.topics))

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """These topics take no facts."""
        for kind, why in reasons.items():
            if self.topics[kind].why != why:
                logger.warning("a topic takes no facts, the others go on", kind=kind, why=why)
            self.topics[kind].refuse(why)

    def miss(self, reasons: Mapping[str, str]) -> None:
        """These topics are missing, the others are not; those that are back can be filled at once."""
        for kind, held in self.topics.items():
            if kind in reasons:
                held.is_missing, held.why = True, reasons[kind]
            elif held.is_missing:
                held.is_missing, held.why, held.retry_at = False, None, 0.0

    def is_due(self, missing: Collection[str]) -> bool:
        """Whether a topic can be tried or filled now."""
        now = time.monotonic()
        return any(kind not in missing and now >= held.retry_at for kind, held in self.topics.items())

    def next_kinds(self, missing: Collection[str]) -> list[str]:
        """What to send next: a topic that is to be tried again, or all those that are filled from the same position."""
        now = time.monotonic()
        due = {kind: held for kind, held in self.topics.items() if kind not in missing and now >= held.retry_at}
        if not due:
            return []
        first = min(due, key=lambda kind: due[kind].position)
        if due[first].why is not None:
            return [first]
        return [kind for kind, held in due.items() if held.why is None and held.position == due[first].position]

    def took(self, kinds: Collection[str], facts: Mapping[str, int]) -> None:
        """These topics have acknowledged so many facts."""
        for kind in kinds:
            held = self.topics[kind]
            held.max_facts = min(sys.maxsize, 2 * held.max_facts)
            held.why, held.pause_seconds, held.filled = None, 0.0, held.filled + facts.get(kind, 0)

    def problem(self) -> str | None:
        """The topics that lack facts, each with the reason."""
        sentences = [
            f"topic {kind} takes no facts behind position {held.position}: {held.why}" if held.why
            else f"topic {kind} is being filled and is at position {held.position}"
            for kind, held in self.topics.items() if held.why or held.filled
        ]  # fmt: skip
        return "; ".join(sentences) or None

    def state(self) -> dict[str, JsonValue]:
        return {kind: {"position": held.position, "why": held.why} for kind, held in self.topics.items()}
