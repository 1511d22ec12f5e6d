"""A record that cannot be answered goes to `parked` as it came, with the reason, and its partition moves on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from modelog._kafka.sender import close_producer
from prometheus_client import Counter

from shared.bus.producer import make_producer
from shared.bus.topics import PARKED

logger = structlog.get_logger()
parked = Counter("modelog_parked", "Records parked", ["service", "topic"])

HEADER_PREFIX = "parked_"
"""Begins the name of every header that is added here."""
CUT = f"{HEADER_PREFIX}cut"
"""The header of a record that was too large to be copied: `1`, the record's value is missing."""
MAX_CUT_KEY_BYTES = 1000
ACK_TIMEOUT_SECONDS = 30.0
"""An idempotent producer would wait for ever."""


class DeadLetters:
    """The topic `parked`, for one service. It connects when the first record comes."""

    def __init__(self, servers: str, topic_prefix: str, service: str) -> None:
        self.servers = servers
        self.topic = topic_prefix + PARKED
        self.service = service
        self.producer: AIOKafkaProducer | None = None

    async def park(self, record: ConsumerRecord[Any, Any], reason: str, now: datetime) -> None:
        """Return once Kafka has the record: its key, value and headers, and headers with the reason."""
        why = {
            "service": self.service,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "at": now.astimezone(UTC).isoformat(),
            "reason": reason,
        }
        headers = [(HEADER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in why.items()]
        # The client refuses to send neither key nor value.
        value = b"" if record.key is None and record.value is None else record.value
        try:
            await self._send(record.key, value, [*record.headers, *headers])
        except MessageSizeTooLargeError:
            # An older `make parked` recognises the record by this sentence.
            why["reason"] = f"{reason}; parked without its value, for it is too large to be copied"
            key = record.key and record.key[:MAX_CUT_KEY_BYTES]
            headers[-1] = (headers[-1][0], why["reason"].encode("utf-8", "replace"))
            await self._send(key, None if key else b"", [*headers, (CUT, b"1")])
        parked.labels(self.service, record.topic).inc()
        logger.warning("parked", **why)

    async def _send(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> None:
        try:
            if self.producer is None:
                self.producer = make_producer(self.servers)
                await self.producer.start()
            async with asyncio.timeout(ACK_TIMEOUT_SECONDS):
                await self.producer.send_and_wait(self.topic, value, key=key, headers=headers)
        except MessageSizeTooLargeError:
            raise
        except (KafkaError, OSError):  # TimeoutError is an OSError; a producer that failed once may fail for ever
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection to Kafka."""
        closing, self.producer = self.producer, None
        if closing is not None:
            await close_producer(closing)
