"""The Kafka consumer under a service: every partition has its turn, and it waits while a small batch is answered."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from modelog._kafka.consumer import Consumer

from shared.bus.open_records import OpenRecords

MAX_RECORDS = 1_000
"""Records that are taken at once."""
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
        taken: Taken = await super().getmany(timeout_ms=int(IDLE_SECONDS * 1000), max_records=MAX_RECORDS_OF_PARTITION)
        if taken:
            for partition in self.assignment() - taken.keys():
                taken |= await super().getmany(partition, max_records=MAX_RECORDS_OF_PARTITION)
            if (count := _count(taken)) < MAX_RECORDS:
                for partition, records in (await super().getmany(max_records=MAX_RECORDS - count)).items():
                    taken.setdefault(partition, []).extend(records)
            if _count(taken) < SMALL_BATCH_RECORDS:
                self.pause(*self.assignment())
        return taken


def _count(taken: Taken) -> int:
    return sum(map(len, taken.values()))
