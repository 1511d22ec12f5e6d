"""The Kafka consumer under a service: every partition has its turn, and it waits while a small batch is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from modelog._kafka.consumer import Consumer

from shared.bus.open_records import OpenRecords

MAX_RECORDS, MAX_BYTES = 1_000, 32 * 1024 * 1024
"""Records that are taken at once, and after how many bytes no more are taken."""
MAX_RECORDS_OF_PARTITION = 250
"""Of each partition at first: a partition with many records delays the others by so many at most."""
SMALL_BATCH_RECORDS = 500
"""With fewer records nothing is fetched until they are answered. aiokafka would fetch at once, get the first one or two
records that come, and fetch no more while these wait: all that comes meanwhile would wait for the batch after next."""
IDLE_SECONDS = 0.1
"""Between two checks which partitions may get records again."""

Taken = dict[TopicPartition, list[ConsumerRecord[Any, Any]]]


class FlowConsumer(Consumer):
    """Gives no records of partitions that are full, and none at all once `draining`."""

    def __init__(self, *topics: str, open_records: OpenRecords, **config: Any) -> None:
        super().__init__(*topics, **config)
        self.open_records = open_records
        self.draining = False

    def read_to(self, partition: TopicPartition) -> int | None:
        """The offset up to which the partition was read, None if that is not known."""
        assignment = self._subscription.subscription and self._subscription.subscription.assignment
        state = assignment and partition in assignment.tps and assignment.state_value(partition)
        return int(state.position) if state and state.has_valid_position else None

    def leader(self, partition: TopicPartition) -> int:
        """The node that leads the partition; -1 if there is none at the moment."""
        leader = self._client.cluster.leader_for_partition(partition)
        return -1 if leader is None else int(leader)

    async def getmany(self, *_: TopicPartition, **__: Any) -> Taken:
        """Wait for records, and take them from every partition that has some."""
        while True:
            assigned = self.assignment()
            held = assigned if self.draining else self.open_records.full() & assigned
            self.pause(*held)
            self.resume(*(assigned - held))
            if taken := await self._take():
                return taken

    async def _take(self) -> Taken:
        taken, left = Taken(), Budget()
        self._open(
            await super().getmany(timeout_ms=int(IDLE_SECONDS * 1000), max_records=MAX_RECORDS_OF_PARTITION),
            taken,
            left,
        )
        if taken:
            for most in (MAX_RECORDS_OF_PARTITION, MAX_RECORDS):
                for partition in (*taken, *(self.assignment() - taken.keys())):
                    await self._fill(partition, taken, left, most)
            if left.records > MAX_RECORDS - SMALL_BATCH_RECORDS:
                self.pause(*self.assignment())
        return taken

    async def _fill(self, partition: TopicPartition, taken: Taken, left: Budget, most: int) -> None:
        """Take the records of a partition that are here, up to so many."""
        limit = min(most - len(taken.get(partition, ())), left.records)
        if limit > 0 and left.nbytes > 0:
            self._open(await super().getmany(partition, max_records=limit), taken, left)

    def _open(self, found: Taken, taken: Taken, left: Budget) -> None:
        # Without any await since the consumer's position passed them: a commit in between would lose them.
        for partition, records in found.items():
            for record in records:
                left.nbytes -= self.open_records.add(record)
            left.records -= len(records)
            taken.setdefault(partition, []).extend(records)


@dataclass
class Budget:
    """What may still be taken at once."""

    records: int = MAX_RECORDS
    nbytes: int = MAX_BYTES
