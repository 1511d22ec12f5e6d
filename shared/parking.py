"""A record that cannot be answered goes to `parked` as it came, with the reason, and its partition moves on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaProducer
from prometheus_client import Counter

from shared.topics import PARKED

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

log = structlog.get_logger()
parked = Counter("modelog_parked", "Records parked", ["service", "topic"])

PREFIX = "parked_"
"""Begins the name of every header that parking adds."""

# Above what any topic of ours lets in, so that parking never fails for size.
LARGEST = 8 * 1024 * 1024


def producer(servers: str) -> AIOKafkaProducer:
    """A producer that neither loses nor doubles what it is given, and sends at once."""
    return AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=0, max_request_size=LARGEST
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
        headers: Sequence[tuple[str, Any]] = [
            *record.headers,
            *((PREFIX + name, text.encode("utf-8", "replace")) for name, text in told.items()),
        ]
        if self.producer is None:
            self.producer = producer(self.servers)
            await self.producer.start()
        # The client refuses to send neither key nor value.
        value = b"" if record.key is None and record.value is None else record.value
        await self.producer.send_and_wait(self.topic, value, key=record.key, headers=headers)
        parked.labels(self.service, record.topic).inc()
        log.warning("parked", **told)

    async def close(self) -> None:
        """Let go of Kafka."""
        if self.producer is not None:
            await self.producer.stop()
            self.producer = None
