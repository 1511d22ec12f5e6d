"""Publishing a range of the log: batch after batch, each read while Kafka writes the batch before it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from prometheus_client import Counter

from services.relay.outgoing_batch import OutgoingBatch
from shared.log.cursors import save_position
from shared.log.follower import Leadership
from shared.log.following import Work

RELAYED = Counter("modelog_relayed", "Facts acknowledged by Kafka")

ACK_TIMEOUT_SECONDS = 10.0
"""For Kafka to acknowledge a batch. Without this limit an idempotent producer waits for ever, and reports nothing."""
MAX_FACTS_IN_FLIGHT = 4_000
"""Facts in a batch. A hundred partitions share them: of 1,000 facts each partition got ten, and Kafka spent 10 µs on a
fact instead of 5."""
MAX_BYTES_IN_FLIGHT = 16 * 1024 * 1024
"""No more facts are added to a batch of so many bytes."""
FACTS_PER_READ = 1_000

FACTS = """
select position, stream, kind, id, at, data ->> 'version', data::text, meta::text
  from log.event
 where position > $1 and position <= $2
 order by position
 limit $3
"""


@dataclass
class InFlight:
    """How many facts a batch may have: fewer after Kafka was late, also after a new producer."""

    max_facts: int = FACTS_PER_READ

    def acknowledged(self) -> None:
        self.max_facts = min(MAX_FACTS_IN_FLIGHT, self.max_facts * 2)

    def late(self) -> None:
        self.max_facts = max(1, self.max_facts // 2)


class Publisher(Work):
    """Sends facts, waits for Kafka's acknowledgements, and then saves its position."""

    def __init__(
        self, leadership: Leadership, producer: AIOKafkaProducer, topic_prefix: str, position: int, in_flight: InFlight
    ) -> None:
        self.position = position
        self._leadership = leadership
        self._producer = producer
        self._topic_prefix = topic_prefix
        self._in_flight = in_flight

    async def advance(self, upto: int) -> None:
        batch = await self._read(self.position, upto)
        while batch.count:
            following = await self._send(batch, upto)
            await self._save(batch.last)
            self._in_flight.acknowledged()
            RELAYED.inc(batch.count)
            batch = following
        # Positions at the end of the range may belong to no fact: their transactions were rolled back.
        self.position = upto

    async def _read(self, after: int, upto: int) -> OutgoingBatch:
        batch, found = OutgoingBatch(self._producer, self._topic_prefix, after), FACTS_PER_READ
        max_facts = self._in_flight.max_facts
        async with asyncio.timeout(ACK_TIMEOUT_SECONDS):
            while found == FACTS_PER_READ and batch.count < max_facts and batch.bytes < MAX_BYTES_IN_FLIGHT:
                limit = min(FACTS_PER_READ, max_facts - batch.count)
                facts = await self._leadership.connection.fetch(FACTS, batch.last, upto, limit)
                await batch.add(facts)
                found = len(facts)
        return batch

    async def _send(self, batch: OutgoingBatch, upto: int) -> OutgoingBatch:
        """Return the next batch of the range when Kafka has acknowledged this one."""
        try:
            async with asyncio.timeout(ACK_TIMEOUT_SECONDS):
                await batch.send()
                following = await self._read(batch.last, upto)
                await asyncio.gather(*batch.sent)
        except TimeoutError:
            self._in_flight.late()
            raise
        finally:
            batch.cancel()
        return following

    async def _save(self, position: int) -> None:
        await save_position(self._leadership.connection, self._leadership.follower, position)
        self.position = position
