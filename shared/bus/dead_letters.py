"""A record that cannot be answered goes to `parked` as it came, with the reason, and its partition moves on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from modelog._kafka.sender import close_producer
from prometheus_client import Counter

from shared.bus.topics import PARKED

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

log = structlog.get_logger()
parked = Counter("modelog_parked", "Records parked", ["service", "topic"])

PREFIX = "parked_"
"""Begins the name of every header that parking adds, behind the record's own."""
CUT = f"{PREFIX}cut"
"""The header, `1`, of a record that was too large to be copied: its value and its own headers are missing."""

# Above what a topic of ours lets in by default.
LARGEST = 8 * 1024 * 1024
BATCH = 256 * 1024
"""Bytes that go to a partition at once, when that many wait: 16 KiB of aiokafka's are a dozen facts."""
LONGEST_KEY = 1000
PATIENCE = 30.0
"""Seconds that Kafka has to acknowledge a parked record; an idempotent producer would wait for ever."""


def producer(servers: str) -> AIOKafkaProducer:
    """A producer that neither loses nor doubles what it is given, and sends at once."""
    return AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=BATCH,
        max_request_size=LARGEST,
    )


class Parking:
    """Where one service puts what it cannot answer. Connects when the first record comes."""

    def __init__(self, servers: str, prefix: str, service: str) -> None:
        self.servers = servers
        self.topic = prefix + PARKED
        self.service = service
        self.producer: AIOKafkaProducer | None = None

    async def park(self, record: ConsumerRecord[Any, Any], reason: str, now: datetime) -> None:
        """Return once Kafka has the record: original key, value and headers, and why it is here."""
        told = {
            "service": self.service,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "at": now.astimezone(UTC).isoformat(),
            "reason": reason,
        }
        reasons = [(PREFIX + name, text.encode("utf-8", "replace")) for name, text in told.items()]
        # The client refuses to send neither key nor value.
        value = b"" if record.key is None and record.value is None else record.value
        try:
            await self._send(record.key, value, [*record.headers, *reasons])
        except MessageSizeTooLargeError:
            told["reason"] = f"{reason}; parked without its value, which is too large to be copied"
            key = record.key and record.key[:LONGEST_KEY]
            cut = [*reasons[:-1], (PREFIX + "reason", told["reason"].encode()), (CUT, b"1")]
            await self._send(key, None if key else b"", cut)
        parked.labels(self.service, record.topic).inc()
        log.warning("parked", **told)

    async def _send(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> None:
        try:
            if self.producer is None:
                self.producer = producer(self.servers)
                await self.producer.start()
            async with asyncio.timeout(PATIENCE):
                await self.producer.send_and_wait(self.topic, value, key=key, headers=headers)
        except MessageSizeTooLargeError:
            raise
        except (KafkaError, OSError):  # TimeoutError is an OSError; a producer that failed once may fail for ever
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of Kafka."""
        closing, self.producer = self.producer, None
        if closing is not None:
            await close_producer(closing)
