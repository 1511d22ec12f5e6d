"""Reading single records of Kafka again, at the places that were written down when they were parked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError
from modelog._kafka.consumer import Consumer
from modelog.untrusted import NotRead

from shared.bus.topics import administration
from shared.runtime.settings import Settings

Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"

READ_TIMEOUT_SECONDS, POLL_SECONDS = 20.0, 0.5
"""For a record that is there, and for one call; only markers of transactions may be left."""
FETCH_WAIT_MS = 1
"""A fetch that waits for new records in another partition delays the next read: by a second with aiokafka's default."""


class Originals:
    """Records by topic, partition and offset; those of unfinished or aborted transactions are not there."""

    def __init__(self, kafka: Mapping[str, Any], partitions: dict[str, int]) -> None:
        self._kafka = kafka
        self._partitions = partitions
        self._consumer: AIOKafkaConsumer | None = None

    def has(self, topic: str) -> bool:
        """Whether there is a topic of this name."""
        return topic in self._partitions

    async def read(self, at: TopicPartition, offset: int) -> Record | None:
        """The record at this place; None if there is none, or none that can be read."""
        async for record in self.read_on(at, offset):
            return record if record.offset == offset else None
        return None

    async def read_on(self, at: TopicPartition, offset: int) -> AsyncIterator[Record]:
        """The records from this offset on that are there now, as far as they can be read."""
        if at.partition >= self._partitions.get(at.topic, 0):
            return
        consumer = await self._connected()
        first, end = (await consumer.beginning_offsets([at]))[at], (await consumer.end_offsets([at]))[at]
        if not first <= offset < end:
            return
        consumer.assign([at])
        consumer.seek(at, offset)
        try:
            idle = 0
            while await consumer.position(at) < end and idle * POLL_SECONDS < READ_TIMEOUT_SECONDS:
                found = (await consumer.getmany(at, timeout_ms=int(POLL_SECONDS * 1000), max_records=100)).get(at, ())
                idle = 0 if found else idle + 1
                for record in found:
                    if not isinstance(record.value, NotRead):
                        yield record
        except ConsumerStoppedError:  # after a batch that cannot be read, a consumer reads nothing any more
            await self.close()

    async def since(self, topic: str, time_ms: int) -> dict[TopicPartition, int]:
        """For each partition of a topic the first offset whose record is not older; none where there is no such."""
        consumer = await self._connected()
        times = {TopicPartition(topic, n): time_ms for n in range(self._partitions.get(topic, 0))}
        found = await consumer.offsets_for_times(times) if times else {}
        return {at: offset.offset for at, offset in found.items() if offset is not None}

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition."""
        partitions = [TopicPartition(topic, n) for n in range(self._partitions.get(topic, 0))]
        found: dict[TopicPartition, int] = await (await self._connected()).end_offsets(partitions) if partitions else {}
        return found

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = Consumer(
                **self._kafka,
                enable_auto_commit=False,
                fetch_max_wait_ms=FETCH_WAIT_MS,
            )
            await self._consumer.start()
        return self._consumer

    async def close(self) -> None:
        """Disconnect."""
        closing, self._consumer = self._consumer, None
        if closing is not None:
            await closing.stop()


@asynccontextmanager
async def originals(settings: Settings) -> AsyncIterator[Originals]:
    """The records that the brokers have, for the time of the block; topics that are made meanwhile are not known."""
    async with administration(settings) as admin:
        topics: list[dict[str, Any]] = await admin.describe_topics()
    opened = Originals(settings.kafka, {topic["topic"]: len(topic["partitions"]) for topic in topics})
    try:
        yield opened
    finally:
        await opened.close()
