"""A record that cannot be answered goes to `parked` as it came, with the reason, and its partition moves on."""

from __future__ import annotations

import asyncio
from collections import Counter as Count
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

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
"""Begins the name of every header that is added here; headers of the record that begin so are left out."""
CUT = f"{HEADER_PREFIX}cut"
"""The header of a record that was too large to be copied: `1`, the record's value is missing."""
MAX_CUT_KEY_BYTES = 1000
ACK_TIMEOUT_SECONDS = 30.0
"""An idempotent producer would wait for ever."""
MAX_LINES = 10
"""Log lines for the records of a batch."""

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class DeadLetter:
    """A record that cannot be answered, why not, and the cause that its answers would have, if that is known."""

    record: ConsumerRecord[Any, Any]
    reason: str
    cause: UUID | None = None


class DeadLetters:
    """The topic `parked`, for one service. It connects when the first record comes."""

    def __init__(self, kafka: Mapping[str, Any], topic_prefix: str, service: str) -> None:
        self.kafka = kafka
        self.topic = topic_prefix + PARKED
        self.service = service
        self.producer: AIOKafkaProducer | None = None

    async def park(self, letters: Sequence[DeadLetter], now: datetime) -> None:
        """Return once Kafka has all records: their keys, values and headers, and headers with the reasons."""
        try:
            if self.producer is None:
                self.producer = make_producer(self.kafka)
                await self.producer.start()
            async with asyncio.timeout(ACK_TIMEOUT_SECONDS):
                if large := await self._send(self.producer, letters, now):
                    await self._send(self.producer, large, now, cut=True)
        except (KafkaError, OSError):  # TimeoutError is an OSError; a producer that failed once may fail for ever
            await self.close()
            raise
        for topic, count in Count(letter.record.topic for letter in letters).items():
            parked.labels(self.service, topic).inc(count)
        for letter in letters[:MAX_LINES]:
            logger.warning("parked", **self._why(letter, now))
        if len(letters) > MAX_LINES:
            logger.warning("parked more", service=self.service, count=len(letters) - MAX_LINES)

    async def _send(
        self, producer: AIOKafkaProducer, letters: Sequence[DeadLetter], now: datetime, *, cut: bool = False
    ) -> list[DeadLetter]:
        """Send all, and return those that are too large for the topic."""
        large, sent = list[DeadLetter](), list[tuple[DeadLetter, asyncio.Future[Any]]]()
        for letter in letters:
            key, value, headers = self._cut(letter, now) if cut else self._whole(letter, now)
            try:
                sent.append((letter, await producer.send(self.topic, value, key=key, headers=headers)))
            except MessageSizeTooLargeError:  # for the client; for the broker it comes with the acknowledgement
                large.append(letter)
        outcomes = await asyncio.gather(*(acknowledged for _, acknowledged in sent), return_exceptions=True)
        for (letter, _), outcome in zip(sent, outcomes, strict=True):
            if isinstance(outcome, MessageSizeTooLargeError):
                large.append(letter)
            elif isinstance(outcome, BaseException):
                raise outcome
        if large and cut:
            raise MessageSizeTooLargeError(f"{self.topic} takes no record without its value")
        return large

    def _whole(self, letter: DeadLetter, now: datetime) -> tuple[bytes | None, bytes | None, Headers]:
        record = letter.record
        own = [(name, value) for name, value in record.headers if not name.lower().startswith(HEADER_PREFIX)]
        # The client refuses to send neither key nor value.
        value = b"" if record.key is None and record.value is None else record.value
        return record.key, value, [*own, *_headers(self._why(letter, now))]

    def _cut(self, letter: DeadLetter, now: datetime) -> tuple[bytes | None, bytes | None, Headers]:
        # An older `make parked` recognises the record by this sentence.
        why = self._why(letter, now)
        why["reason"] = f"{letter.reason}; parked without its value, for it is too large to be copied"
        key = letter.record.key and letter.record.key[:MAX_CUT_KEY_BYTES]
        return key, None if key else b"", [*_headers(why), (CUT, b"1")]

    def _why(self, letter: DeadLetter, now: datetime) -> dict[str, str]:
        why = {
            "service": self.service,
            "topic": letter.record.topic,
            "partition": str(letter.record.partition),
            "offset": str(letter.record.offset),
            "at": now.astimezone(UTC).isoformat(),
            "reason": letter.reason,
        }
        return why if letter.cause is None else why | {"cause": str(letter.cause)}

    async def close(self) -> None:
        """Close the connection to Kafka."""
        closing, self.producer = self.producer, None
        if closing is not None:
            await close_producer(closing)


def _headers(why: dict[str, str]) -> Headers:
    return [(HEADER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in why.items()]
