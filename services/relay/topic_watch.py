"""A look at the topics of facts every few seconds: which are missing, and which were made again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest

from shared.bus.topics import FACTS, administration, make_topics
from shared.runtime.errors import is_transient
from shared.runtime.settings import Settings

logger = structlog.get_logger()

LOOK_SECONDS = 2.0
"""Between two looks."""
LOOK_TIMEOUT_SECONDS = 5.0
"""For a look, and for making what is missing."""
FRESH_SECONDS = 2 * LOOK_SECONDS + LOOK_TIMEOUT_SECONDS
"""A Kafka that has answered no look for so long does not answer at all."""
MAX_LOOKS, AGAIN_SECONDS = 10, 0.2
"""Until a topic that was just made is known to every broker."""
LATEST = -1
"""Asks for the offset behind the last record of a partition."""

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
        self._may_make: set[str] = set()
        self._wanted = asyncio.Event()

    @property
    def is_fresh(self) -> bool:
        """Whether Kafka has answered lately."""
        return time.monotonic() - self._looked_at < FRESH_SECONDS

    async def run(self) -> None:
        """Look again and again; a Kafka that does not answer is looked for again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("the topics could not be looked at, next attempt follows", error=repr(error))

    async def look(self) -> None:
        """Find out which topics are there, and make what may be made; raise KafkaError or TimeoutError."""
        async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
            for _ in range(MAX_LOOKS):
                unknown = await self._look()
                if not unknown:
                    break
                await asyncio.sleep(AGAIN_SECONDS)
        self.missing = dict.fromkeys(unknown, "a partition has no leader, or its leader does not answer") | self.missing
        self.looks += 1

    def may_make(self, kinds: Collection[str]) -> None:
        """Make the topics of these kinds where they are missing.

        No other: a fact that the producer still tries to send would come before all others into a topic made again.
        """
        if any(kind in self.missing and kind not in self._may_make for kind in kinds):
            self._wanted.set()
        self._may_make = set(kinds)

    def end(self, kind: str, partition: int) -> int:
        """The end of a partition as it is known: a record that is sent from now on is written there or behind it."""
        return self._ends.get((kind, partition), 0)

    def acknowledged(self, kind: str, partition: int, end: int, offset: int, count: int) -> None:
        """So many records were written at this offset, and were sent when this end was known."""
        if 0 <= offset < end:
            self.made_again.add(kind)
            self._ends[kind, partition] = 0
        self._ends[kind, partition] = max(self._ends.get((kind, partition), 0), offset + count)

    async def _look(self) -> set[str]:
        """Return the kinds whose topics were made, or do not answer yet."""
        before = dict(self._ends)  # an answer may be older than what is acknowledged while it is on its way
        async with administration(self._settings) as admin:
            found = await self._find(admin)
            ends = await _ends(admin, self._settings.topic_prefix, found)
        self._looked_at = time.monotonic()
        # Without a pause: nobody may find a topic that is not missing any more before it is known to be made again.
        self.partitions = {kind: len(leaders) for kind, leaders in found.items()}
        answered = {kind for kind in found if all((kind, partition) in ends for partition in found[kind])}
        self.missing = {kind: why for kind, why in self.missing.items() if kind not in answered}
        for kind in answered:
            self._compare(kind, before, {partition: end for partition, end in ends.items() if partition[0] == kind})
        absent = {*FACTS, *self.missing} - found.keys()
        return await self._make(absent) | (found.keys() - answered)

    async def _find(self, admin: AIOKafkaAdminClient) -> dict[str, dict[int, int]]:
        """The leader of each partition of the topics of facts, -1 where there is none."""
        prefix = self._settings.topic_prefix
        return {
            topic["topic"].removeprefix(prefix): {p["partition"]: p["leader"] for p in topic["partitions"]}
            for topic in await admin.describe_topics()  # of all: a broker may make a topic when its name is asked for
            if topic["topic"].startswith(prefix) and topic["partitions"]
            and topic["topic"].removeprefix(prefix) in {*FACTS, *self.missing}
        }  # fmt: skip

    def _compare(self, kind: str, before: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        is_empty = not any(ends.values())
        (self.empty.add if is_empty else self.empty.discard)(kind)
        if any(end < before.get(partition, 0) for partition, end in ends.items()) or (is_empty and kind in self._made):
            self.made_again.add(kind)
            self._ends |= ends
        self._ends |= {partition: max(end, self._ends.get(partition, 0)) for partition, end in ends.items()}
        self._made.discard(kind)

    async def _make(self, kinds: Collection[str]) -> set[str]:
        """Return those that were made."""
        made = set[str]()
        for kind in kinds:
            topic = self._settings.topic_prefix + kind
            self._made.add(kind)
            self.missing.setdefault(kind, "it does not exist, and is being made")
            if kind not in self._may_make:
                continue
            try:
                if await make_topics(self._settings, [topic]):
                    made.add(kind)
                    logger.warning("made a topic that was missing", topic=topic)
            except KafkaError as error:
                self.missing[kind] = f"it does not exist, and could not be made: {error!r}"
        return made


async def _ends(
    admin: AIOKafkaAdminClient, prefix: str, found: Mapping[str, Mapping[int, int]]
) -> dict[Partition, int]:
    """The offset behind the last record of each partition whose leader answers."""
    ends: dict[Partition, int] = {}
    for leader in {leader for leaders in found.values() for leader in leaders.values() if leader >= 0}:
        asked = {
            kind: [(partition, LATEST) for partition, led_by in leaders.items() if led_by == leader]
            for kind, leaders in found.items()
        }
        request = OffsetRequest(
            -1, 0, [(prefix + kind, partitions) for kind, partitions in asked.items() if partitions]
        )
        answer: Any = await admin._send_request_to_node(leader, request)
        for topic, partitions in answer.topics:
            kind = topic.removeprefix(prefix)
            ends |= {(kind, partition): offset for partition, code, _, offset, *_ in partitions if not code}
    return ends
