"""Reading: one Kafka consumer, and where it began. It raises what Kafka raises; a subscription makes it anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from async_timeout import timeout  # asyncio's wait_for loses a cancellation now and then before Python 3.12

from modelog._kafka.consumer import Consumer
from modelog.envelope import MAX_EVENT_BYTES

logger = logging.getLogger("modelog")

Since = Literal["earliest", "latest"]
Record: TypeAlias = "ConsumerRecord[bytes, bytes]"

BODY = 3600.0
"""Seconds that a loop body may take for one message until the group gives its partitions to another member."""
QUIET = 5.0
"""Seconds without a record after which a look ends."""
STUCK = 120.0
"""Seconds that joining, a look or a commit may take."""
CLOSING = 10.0
"""Seconds that a consumer has to leave its group."""


class Reader:
    """A consumer of some topics. `positions` outlives it: where to read on when there is no group that knows."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        topics: Iterable[str],
        group: str | None,
        since: Since,
        positions: dict[TopicPartition, int],
    ) -> None:
        self._group = group
        self._since = since
        self._positions = positions
        self._anchored: set[TopicPartition] = set()
        self._consumer = Consumer(
            *topics,
            **kafka,
            group_id=group,
            auto_offset_reset=since,
            enable_auto_commit=False,
            max_poll_interval_ms=int(BODY * 1000),
            max_partition_fetch_bytes=4 * MAX_EVENT_BYTES,
            session_timeout_ms=45_000,
        )

    async def open(self) -> None:
        """Join the group; whoever calls this closes the reader, also when it fails."""
        async with timeout(STUCK):
            await self._consumer.start()
            await self._anchor()

    async def look(self) -> Record | None:
        """The next record, or None after a quiet while."""
        async with timeout(STUCK):
            await self._anchor()
            try:
                found = await self._consumer.getmany(timeout_ms=int(QUIET * 1000), max_records=1)
            except ConsumerStoppedError:
                raise self._consumer.broken or ConsumerStoppedError from None
            for partition, records in found.items():
                await self._anchor({partition: records[0].offset})
                record: Record = records[0]
                return record
        return None

    async def _anchor(self, read: Mapping[TopicPartition, int] | None = None) -> None:
        """Hold fast where reading began: after a rebalance or an outage, "latest" would be later than it was."""
        for partition in self._consumer.assignment() - self._anchored:
            if self._group is None and partition in self._positions:
                self._consumer.seek(partition, self._positions[partition])
            elif self._group is None:
                self._positions[partition] = await self._consumer.position(partition)
            elif self._since == "latest" and await self._consumer.committed(partition) is None:
                offset = (read or {}).get(partition)
                offset = await self._consumer.position(partition) if offset is None else offset
                await self._consumer.commit({partition: offset})
        self._anchored = set(self._consumer.assignment())

    async def commit(self, record: Record) -> None:
        """Say that `record` and all before it in its partition are done with."""
        partition = TopicPartition(record.topic, record.partition)
        if self._group is None:
            self._positions[partition] = record.offset + 1
        else:
            async with timeout(STUCK):
                await self._consumer.commit({partition: record.offset + 1})

    async def ends(self) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition that is read here."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._consumer.assignment())
        return ends

    async def behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether records before these ends are still to be read."""
        return any([await self._consumer.position(partition) < end for partition, end in ends.items()])

    async def missing(self) -> bool:
        """Whether there are records that are still to be read."""
        return await self.behind(await self.ends())

    async def close(self) -> None:
        """Leave the group."""
        try:
            async with timeout(CLOSING):
                await self._consumer.stop()
        except (asyncio.TimeoutError, KafkaError) as error:
            logger.warning("a consumer was dropped before it had closed: %s", str(error) or type(error).__name__)
