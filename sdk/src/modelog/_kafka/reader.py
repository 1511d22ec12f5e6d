"""Reading: a Kafka consumer and where it began. It raises the errors of Kafka; a subscription replaces it then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, UnknownTopicOrPartitionError
from aiokafka.protocol.metadata import MetadataRequest
from async_timeout import timeout  # asyncio's wait_for loses a cancellation now and then before Python 3.12

from modelog._kafka.consumer import MAX_FETCH_BYTES, Consumer
from modelog.envelope import MAX_EVENT_BYTES

logger = logging.getLogger("modelog")

Since = Literal["earliest", "latest"]
Record: TypeAlias = "ConsumerRecord[bytes, bytes]"

MAX_PROCESSING_SECONDS = 3600.0
"""For a message in the body of a loop; after that the group gives its partitions to another member."""
MAX_RECORDS = 500
"""That are taken at a time without a group."""
POLL_SECONDS = 5.0
"""After which `next_record` returns without a record."""
LOOK_SECONDS = 0.2
"""After which a read that has an end is compared with it: what is left may be markers of transactions, no records."""
REQUEST_TIMEOUT_SECONDS = 120.0
"""For joining, a poll or a commit."""
CLOSE_TIMEOUT_SECONDS = 10.0
"""For leaving the group."""
JOINING_CLOSE_SECONDS = 1.0
"""For leaving a group that is being joined: Kafka answers when a member that was killed is given up, after 45 s."""


class Reader:
    """A consumer of some topics, or of a partition of each.

    `positions` outlives it: without a group, it is where the next reader continues.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        topics: Iterable[str],
        group: str | None,
        since: Since,
        positions: dict[TopicPartition, int],
        only: Collection[TopicPartition] = (),
    ) -> None:
        self._topics = list(topics)
        self._only = only
        self._group = group
        self._since = since
        self._positions = positions
        self._anchored: set[TopicPartition] = set()
        self._taken: deque[Record] = deque()
        self._consumer = Consumer(
            *([] if only else self._topics),
            **kafka,
            group_id=group,
            auto_offset_reset=since,
            enable_auto_commit=False,
            max_poll_interval_ms=int(MAX_PROCESSING_SECONDS * 1000),
            fetch_max_bytes=MAX_FETCH_BYTES,
            max_partition_fetch_bytes=4 * MAX_EVENT_BYTES,
            session_timeout_ms=45_000,
        )

    async def open(self) -> None:
        """Join the group; the caller closes the reader, also when this fails."""
        async with timeout(REQUEST_TIMEOUT_SECONDS):
            if self._only:
                self._consumer.assign(self._only)
            await self._consumer.start()
            await self._anchor()

    async def next_record(self, ends: Mapping[TopicPartition, int] | None) -> Record | None:
        """The next record; None if none comes within POLL_SECONDS, or if all before `ends` are read."""
        until = time.monotonic() + POLL_SECONDS
        async with timeout(REQUEST_TIMEOUT_SECONDS):
            await self._anchor()
            while (record := await self._poll(ends)) is None:
                if ends is None or time.monotonic() > until or not await self.behind(ends):
                    return None
        return record

    async def _poll(self, ends: Mapping[TopicPartition, int] | None) -> Record | None:
        if not self._taken:
            seconds = POLL_SECONDS if ends is None else LOOK_SECONDS
            most = 1 if self._group is not None else MAX_RECORDS  # a partition may go to another member at any time
            try:
                found = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=most)
            except ConsumerStoppedError:
                raise self._consumer.broken or ConsumerStoppedError from None
            for partition, records in found.items():
                await self._anchor({partition: records[0].offset})
                self._taken += [record for record in records if ends is None or record.offset < ends.get(partition, 0)]
        return self._taken.popleft() if self._taken else None

    async def _anchor(self, read: Mapping[TopicPartition, int] | None = None) -> None:
        """Store the position where reading began: after a rebalance or an outage, "latest" would be further on."""
        for partition in self._consumer.assignment() - self._anchored:
            offset = (read or {}).get(partition)
            if self._group is None and partition in self._positions:
                self._consumer.seek(partition, self._positions[partition])
            elif self._group is None:
                self._positions[partition] = await self._consumer.position(partition) if offset is None else offset
            elif self._since == "latest" and await self._consumer.committed(partition) is None:
                offset = await self._consumer.position(partition) if offset is None else offset
                await self._consumer.commit({partition: offset})
        self._anchored = set(self._consumer.assignment())

    async def commit(self, record: Record) -> None:
        """Commit `record` and all records before it in its partition."""
        partition = TopicPartition(record.topic, record.partition)
        if self._group is None:
            self._positions[partition] = record.offset + 1
        else:
            committing = asyncio.ensure_future(self._consumer.commit({partition: record.offset + 1}))
            try:
                async with timeout(REQUEST_TIMEOUT_SECONDS):
                    while not (await asyncio.wait([committing], timeout=POLL_SECONDS))[0]:
                        await self._check_topics()  # aiokafka tries again until the topic is there
            finally:
                committing.cancel()
            await committing

    async def ends(self) -> dict[TopicPartition, int]:
        """The offset after the last record of each assigned partition, and before the first open transaction."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._consumer.assignment())
        return ends

    async def behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether records before these offsets are not given out yet."""
        return bool(self._taken) or any(
            [await self._consumer.position(partition) < end for partition, end in ends.items()]
        )

    async def has_more(self) -> bool:
        """Whether records are not read yet; raise UnknownTopicOrPartitionError if a topic was deleted."""
        await self._check_topics()
        return await self.behind(await self.ends())

    async def _check_topics(self) -> None:
        client = self._consumer._client
        question = MetadataRequest(self._topics, allow_auto_topic_creation=False)
        answer = await client.send(client.get_random_node(), question)
        if missing := [topic for code, topic, *_ in answer.topics if code == UnknownTopicOrPartitionError.errno]:
            raise UnknownTopicOrPartitionError(", ".join(missing))

    async def close(self) -> None:
        """Leave the group; a member that has not joined yet leaves without waiting for the others."""
        seconds = CLOSE_TIMEOUT_SECONDS if self._consumer.assignment() else JOINING_CLOSE_SECONDS
        # In a task of its own: aiokafka cancels its fetches and waits for them, which may cancel who waits.
        stopping = asyncio.ensure_future(self._consumer.stop())
        try:
            await asyncio.wait([stopping], timeout=seconds)
        finally:
            stopping.cancel()
            disconnecting = asyncio.ensure_future(self._consumer._client.close())
            await asyncio.wait([stopping, disconnecting], timeout=JOINING_CLOSE_SECONDS)
        error = None if stopping.cancelled() or not stopping.done() else stopping.exception()
        if error is not None:
            logger.warning("a consumer could not be closed properly: %s", str(error) or type(error).__name__)
