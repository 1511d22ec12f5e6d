"""Reading the topic `parked`, at least once: records are committed after they were kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError
from modelog._kafka.consumer import Consumer
from modelog.errors import TransientError

from shared.bus.group_progress import GroupProgress
from shared.bus.originals import originals
from shared.bus.topics import PARKED, administration
from shared.runtime.postgres import problem
from shared.runtime.runtime import Runtime
from shared.runtime.waiting import LAST_SECONDS, run_until_stopped

Idle = Callable[[Runtime], Awaitable[None]]
Keep = Callable[[Runtime, Sequence["ConsumerRecord[Any, Any]"]], Awaitable[None]]

MAX_RECORDS = 500
"""Of a read; with 1 MiB of each partition at most, or a single larger record."""
POLL_MS = 1000
STALLED_SECONDS = 30.0
"""Without a record kept, while there are some, it is not ready."""
SILENT_SECONDS = 15.0
"""Without an answer of Kafka it is not ready."""
GROUP_SECONDS = 10.0
"""Between two checks of the partitions of other members."""
POSITION_TIMEOUT_SECONDS = 10.0
"""For the committed offsets of a partition that was just assigned."""


class NoBatch(TransientError):
    """A batch of the topic cannot be read, or the topic is missing."""


async def consume(runtime: Runtime, name: str, keep: Keep, idle: Idle) -> None:
    """Give every record to `keep` and call `idle` between, until the process stops or an error is raised."""
    settings = runtime.settings
    topic = settings.topic_prefix + PARKED
    async with originals(settings) as kafka:
        if not kafka.has(topic):  # a consumer of a missing topic would wait for 40 seconds
            raise NoBatch(f"there is no topic {topic}: run `python -m operations setup`")
    consumer = Consumer(
        topic,
        **settings.kafka,
        client_id=f"modelog-{name}",
        group_id=settings.topic_prefix + name,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        progress = Progress(name, settings.topic_prefix + name)
        while not runtime.stopping.is_set():
            if not consumer.partitions_for_topic(topic):
                raise NoBatch(f"the topic {topic} was deleted")
            found = await run_until_stopped(runtime.stopping, _next(consumer))
            if found is None:
                return
            if found:
                await keep(runtime, found)
                # aiokafka repeats it for as long as Kafka does not answer; without it, records come again.
                await run_until_stopped(runtime.stopping, consumer.commit())
            else:
                await idle(runtime)
            await progress.report(runtime, consumer, len(found))
    finally:
        await run_until_stopped(runtime.stopping, consumer.stop(), LAST_SECONDS)


async def _next(consumer: Consumer) -> list[ConsumerRecord[Any, Any]]:
    try:
        found = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
    except ConsumerStoppedError:
        raise NoBatch(f"a batch cannot be read: {consumer.broken}") from consumer.broken
    return [record for records in found.values() for record in records]


class Progress:
    """How far the consumer is behind, since when it has kept nothing, and when Kafka answered last."""

    def __init__(self, name: str, group: str) -> None:
        self.name = name
        self.moved_at = self.group_at = _now()
        self.group = GroupProgress(group)

    async def report(self, runtime: Runtime, consumer: Consumer, kept: int) -> None:
        """Ready if it goes forward, or has nothing to do; without partitions it stands by."""
        assigned, lag = consumer.assignment(), 0
        for partition in assigned:
            async with asyncio.timeout(POSITION_TIMEOUT_SECONDS):
                lag += max(0, (consumer.highwater(partition) or 0) - await consumer.position(partition))
        if kept or not lag:
            self.moved_at = _now()
        polled_ms = max((consumer.last_poll_timestamp(partition) or 0 for partition in assigned), default=0)
        why = None
        if found := await problem(runtime.pool):
            why = found
        elif assigned and polled_ms and _now().timestamp() - polled_ms / 1000 > SILENT_SECONDS:
            why = "Kafka does not answer"
        elif (_now() - self.moved_at).total_seconds() > STALLED_SECONDS:
            why = "records wait and none is kept"
        elif await self._others_stand(runtime, consumer):
            why = (
                f"other members of the group have {self.group.lag} records and keep none: check who reads as this group"
            )
        detail = f"{len(assigned)} partitions, {lag} behind" + (f"; {why}" if why else "")
        runtime.health.report(
            self.name,
            why is None,
            detail,
            lag=lag,
            partitions=len(assigned),
            role="member" if assigned else "standby",
            no_progress_since=self.moved_at.isoformat() if lag else None,
            why=why,
        )

    async def _others_stand(self, runtime: Runtime, consumer: Consumer) -> bool:
        """Whether the partitions that other members have do not get forward: those may be strangers."""
        if (_now() - self.group_at).total_seconds() > GROUP_SECONDS:
            self.group_at = _now()
            topic = runtime.settings.topic_prefix + PARKED
            every = {TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()}
            async with administration(runtime.settings) as admin:
                await self.group.check(admin, consumer, every - consumer.assignment())
        since = self.group.no_progress_since
        return since is not None and time.monotonic() - since > STALLED_SECONDS


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  (for people, and the clock of aiokafka's timestamps)
