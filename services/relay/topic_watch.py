"""A look at the topics of facts every few seconds: which are missing, and which were made again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest
from modelog.events import BY_TYPE, Fact

from shared.bus.topics import administration, make_topics
from shared.runtime.errors import is_transient
from shared.runtime.settings import Settings

logger = structlog.get_logger()

LOOK_SECONDS = 2.0
"""Between two looks."""
LOOK_TIMEOUT_SECONDS = 5.0
"""For a look, and for making what is missing."""
FRESH_SECONDS = 2 * LOOK_SECONDS + LOOK_TIMEOUT_SECONDS
"""A Kafka that has answered no look for so long does not answer at all."""
MADE_SECONDS = 0.2
"""Until a topic that was made is known to the brokers."""
LATEST = -1
"""Asks for the offset behind the last record of a partition."""

FACTS = tuple(kind for kind, event in BY_TYPE.items() if issubclass(event, Fact))

Partition = tuple[str, int]
"""A kind, and a partition of its topic."""


class TopicWatch:
    """What is known of the topics, by the kind of their facts.

    `missing` has the reason why a topic cannot be written to. `empty` are topics that have never had a record.
    `made_again` are topics whose records are gone: the end of a partition lies below an end that was seen, or below a
    record that was acknowledged.
    """

    def __init__(self, settings: Settings) -> None:
        self.partitions: dict[str, int] = {}
        self.missing: dict[str, str] = {}
        self.made_again: set[str] = set()
        self.empty: set[str] = set()
        self.looks = 0
        self._looked_at = 0.0
        self._settings = settings
        self._ends: dict[Partition, int] = {}
        self._made: set[str] = set()

    @property
    def is_fresh(self) -> bool:
        """Whether Kafka has answered lately."""
        return time.monotonic() - self._looked_at < FRESH_SECONDS

    async def run(self) -> None:
        """Look again and again; a Kafka that does not answer is looked for again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("the topics could not be looked at, next attempt follows", error=repr(error))

    async def look(self) -> None:
        """Find out which topics are there, and make those that are missing; raise KafkaError or TimeoutError."""
        async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
            if await self._look():
                await asyncio.sleep(MADE_SECONDS)
                await self._look()
        self.looks += 1

    def end(self, kind: str, partition: int) -> int:
        """The end of a partition as it is known: a record that is sent from now on is written there or behind it."""
        return self._ends.get((kind, partition), 0)

    def acknowledged(self, kind: str, partition: int, end: int, offset: int, count: int) -> None:
        """So many records were written at this offset, and were sent when this end was known."""
        if 0 <= offset < end:
            self.made_again.add(kind)
            self._ends[kind, partition] = 0
        self._ends[kind, partition] = max(self._ends.get((kind, partition), 0), offset + count)

    async def _look(self) -> bool:
        """Whether a topic was made."""
        before = dict(self._ends)  # an answer may be older than what is acknowledged while it is on its way
        async with administration(self._settings) as admin:
            leaders = await self._leaders(admin)
            ends = await _ends(admin, self._settings.topic_prefix, leaders)
        self._looked_at = time.monotonic()
        for kind in {kind for kind, _ in ends}:
            self._compare(kind, before, {partition: end for partition, end in ends.items() if partition[0] == kind})
        return await self._make([kind for kind in (*FACTS, *self.missing) if kind not in self.partitions])

    async def _leaders(self, admin: AIOKafkaAdminClient) -> Mapping[Partition, int]:
        """The leader of each partition of a fact topic."""
        prefix = self._settings.topic_prefix
        found = {
            topic["topic"].removeprefix(prefix): topic["partitions"]
            for topic in await admin.describe_topics()  # of all: a broker may make a topic when its name is asked for
            if topic["topic"].startswith(prefix) and topic["partitions"]
        }
        self.partitions = {kind: len(partitions) for kind, partitions in found.items()}
        leaderless = {kind for kind, partitions in found.items() if any(p["leader"] < 0 for p in partitions)}
        self.missing = {kind: why for kind, why in self.missing.items() if kind not in found}
        self.missing |= dict.fromkeys(leaderless, "a partition has no leader: start its brokers")
        return {
            (kind, p["partition"]): p["leader"] for kind in found if kind in FACTS for p in found[kind]
            if p["leader"] >= 0
        }  # fmt: skip

    def _compare(self, kind: str, before: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        is_empty = not any(ends.values())
        if is_empty:
            self.empty.add(kind)
        if any(end < before.get(partition, 0) for partition, end in ends.items()) or (is_empty and kind in self._made):
            self.made_again.add(kind)
            self._ends |= ends
        self._ends |= {partition: max(end, self._ends.get(partition, 0)) for partition, end in ends.items()}
        self._made.discard(kind)

    async def _make(self, kinds: Collection[str]) -> bool:
        """Whether a topic was made."""
        made = False
        for kind in dict.fromkeys(kinds):
            topic = self._settings.topic_prefix + kind
            self._made.add(kind)
            try:
                made = bool(await make_topics(self._settings, [topic])) or made
                self.missing.setdefault(kind, "it does not exist, and is being made")
                logger.warning("made a topic that was missing", topic=topic)
            except KafkaError as error:
                self.missing[kind] = f"it does not exist, and could not be made: {error!r}"
        return made


async def _ends(admin: AIOKafkaAdminClient, prefix: str, leaders: Mapping[Partition, int]) -> dict[Partition, int]:
    """The offset behind the last record of each partition."""
    ends: dict[Partition, int] = {}
    for leader in set(leaders.values()):
        asked: dict[str, list[tuple[int, int]]] = {}
        for (kind, partition), led_by in leaders.items():
            if led_by == leader:
                asked.setdefault(prefix + kind, []).append((partition, LATEST))
        answer: Any = await admin._send_request_to_node(leader, OffsetRequest(-1, 0, list(asked.items())))
        for topic, partitions in answer.topics:
            kind = topic.removeprefix(prefix)
            ends |= {(kind, partition): offset for partition, code, _, offset, *_ in partitions if not code}
    return ends
