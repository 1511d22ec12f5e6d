"""The records of Kafka that a service has taken and not answered yet, and the offsets that it may commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from modelog._kafka.consumer import size_of

MAX_OPEN_RECORDS = 1_000
"""Open records of a partition; with more it is paused."""
MAX_OPEN_BYTES = 32 * 1024 * 1024
"""Bytes of the open records of a partition; with more it is paused."""
MAX_UNCOMMITTED_RECORDS = 5_000
"""Offsets from the oldest open record of a partition to its last: so many records come again after a crash."""


@dataclass(eq=False)
class OpenPartition:
    """A partition since it was assigned: what closes late, after it was assigned again, closes another object."""

    offsets: deque[int] = field(default_factory=deque)
    """Of the records from the oldest open record on, in order; some are closed."""
    nbytes: dict[int, int] = field(default_factory=dict)
    """The bytes of each open record by its offset."""
    total_bytes: int = 0
    closed: int = 0
    next_offset: int = 0
    committed: int | None = None

    @property
    def committable(self) -> int:
        """The offset of the oldest open record, or the offset behind the last record."""
        return self.offsets[0] if self.offsets else self.next_offset

    @property
    def is_full(self) -> bool:
        return (
            len(self.nbytes) >= MAX_OPEN_RECORDS
            or self.total_bytes >= MAX_OPEN_BYTES
            or self.next_offset - self.committable >= MAX_UNCOMMITTED_RECORDS
        )

    def add(self, offset: int, nbytes: int) -> None:
        self.offsets.append(offset)
        self.nbytes[offset] = nbytes
        self.total_bytes += nbytes
        self.next_offset = offset + 1

    def close(self, offset: int) -> None:
        if offset in self.nbytes:
            self.total_bytes -= self.nbytes.pop(offset)
            self.closed += 1
        while self.offsets and self.offsets[0] not in self.nbytes:
            self.offsets.popleft()


@dataclass(eq=False)
class OpenRecord:
    """A record that was taken; `close` says that it is answered or parked.

    A record with several messages is split into `parts`, and is closed with the last of them.
    """

    record: ConsumerRecord[Any, Any]
    partition: OpenPartition
    owner: OpenRecords
    parts: set[OpenRecord] = field(default_factory=set)
    """Those that are not closed yet; none of a record that was not split."""

    @property
    def is_open(self) -> bool:
        """False once it is closed, or its partition was dropped."""
        return self.record.offset in self.partition.nbytes

    def close(self) -> None:
        self.parts.discard(self)
        if not self.parts:
            self.partition.close(self.record.offset)
            self.owner.changed.set()

    def split(self, count: int) -> list[OpenRecord]:
        """So many parts of this record, each to be closed."""
        parts = set[OpenRecord]()
        made = [OpenRecord(self.record, self.partition, self.owner, parts) for _ in range(count)]
        parts.update(made)
        return made


class OpenRecords:
    """The open records of every assigned partition."""

    def __init__(self) -> None:
        self.partitions: dict[TopicPartition, OpenPartition] = {}
        self.changed = asyncio.Event()

    def add(self, record: ConsumerRecord[Any, Any]) -> int:
        """The record is open from now on; return its bytes. Those of a partition come in the order of their offsets."""
        place = TopicPartition(record.topic, record.partition)
        nbytes = size_of(record)
        self.partitions.setdefault(place, OpenPartition()).add(record.offset, nbytes)
        return nbytes

    def opened(self, record: ConsumerRecord[Any, Any]) -> OpenRecord | None:
        """The record that was added; None if its partition was dropped since."""
        partition = self.partitions.get(TopicPartition(record.topic, record.partition))
        if partition is None or record.offset not in partition.nbytes:
            return None
        return OpenRecord(record, partition, self)

    def passed(self, place: TopicPartition, position: int) -> None:
        """The consumer's position: behind the last record, and behind what gives no records, as transactions' ends."""
        partition = self.partitions.setdefault(place, OpenPartition())
        partition.next_offset = max(partition.next_offset, position)

    def full(self) -> set[TopicPartition]:
        """The partitions that may not get more records."""
        return {place for place, partition in self.partitions.items() if partition.is_full}

    def committable(self) -> dict[TopicPartition, int]:
        """The offsets to commit, of the partitions in which they have moved."""
        offsets = ((place, partition.committable) for place, partition in self.partitions.items())
        return {place: offset for place, offset in offsets if offset != self.partitions[place].committed}

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """These offsets are committed."""
        for place, offset in offsets.items():
            if place in self.partitions:
                self.partitions[place].committed = offset

    def drop(self, places: Iterable[TopicPartition]) -> None:
        """Forget these partitions: they belong to another member of the group, which gets their open records."""
        for place in places:
            if (partition := self.partitions.pop(place, None)) is not None:
                partition.nbytes.clear()
        self.changed.set()

    def count(self, places: Iterable[TopicPartition]) -> int:
        """The number of open records in these partitions."""
        return sum(len(self.partitions[place].nbytes) for place in places if place in self.partitions)

    async def wait_until_closed(self, places: Iterable[TopicPartition]) -> None:
        """Return when no record of these partitions is open."""
        places = set(places)
        while self.count(places):
            self.changed.clear()
            await self.changed.wait()
