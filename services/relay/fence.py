"""The producer of the relay that leads: from its first record in a partition on, Kafka refuses older relays there.

Postgres decides which relay leads, and Kafka does not know it: a relay whose connection to Postgres was lost may still
have facts on their way. So every leader takes the next epoch of a transactional id and sends its facts with that epoch,
as an idempotent producer, without transactions. In each partition Kafka refuses an epoch below the last epoch that
wrote there. What an older relay writes into a partition before the new relay does, comes before the facts that the new
relay repeats from the cursor, and changes no order.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from modelog._kafka.sender import close_producer

from shared.bus.producer import make_producer
from shared.runtime.settings import Settings

OPEN_TIMEOUT_SECONDS = 10.0
"""To connect and to be given an epoch."""
CLOSE_TIMEOUT_SECONDS = 1.0
"""For batches that nobody waits for any more; then the connections are aborted."""
RENEW_SECONDS = 12 * 3600.0
"""After so long the leader takes the next epoch: an id without use is forgotten after 7 days, and given out anew."""


class FencedProducer:
    """A producer with an epoch of its own.

    After `renew` and before it sends, a leader must read from Postgres on the connection that holds its lock. Otherwise
    a relay that does not lead any more could have a later epoch than the relay that leads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened_at = 0.0
        self._opened: AIOKafkaProducer | None = None

    @property
    def producer(self) -> AIOKafkaProducer:
        assert self._opened is not None, "renew opens it"
        return self._opened

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self._opened_at > RENEW_SECONDS

    async def renew(self) -> None:
        """Replace the producer by a producer of the next epoch, with no batch on its way; raise KafkaError."""
        await self.close()
        producer = make_producer(self._settings.kafka, f"{self._settings.topic_prefix}relay")
        self._opened = producer
        async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
            await producer.start()
        # Idempotent from here on: no transaction begins, and no record needs a marker before it is read.
        producer._txn_manager.transactional_id = None
        self._opened_at = time.monotonic()

    async def close(self) -> None:
        """Disconnect; batches that are still on their way are dropped."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    await close_producer(opened)
