"""Writing: one idempotent Kafka producer, made anew after it failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from async_timeout import timeout  # asyncio's wait_for loses a cancellation now and then before Python 3.12

from modelog.envelope import LARGEST, Header
from modelog.errors import NotPublished

logger = logging.getLogger("modelog")

PATIENCE = 60.0
"""Seconds until a message that no broker acknowledged is given up."""
CLOSING = 10.0
"""Seconds that a producer has to say goodbye."""


class Sender:
    """Sends with acks=all. It connects on the first send, so who only reads opens no producer."""

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        self._kafka = kafka
        self._lock = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def send(self, topic: str, key: bytes, value: bytes, headers: list[Header]) -> None:
        """Return when all replicas in sync have the record; raise NotPublished if they do not say so in time."""
        producer = None
        try:
            async with timeout(PATIENCE):  # the limit is ours: an idempotent producer retries for ever
                async with self._lock:
                    producer = self._producer = self._producer or await self._connect()
                await producer.send_and_wait(topic, value, key, headers=headers)
        except (asyncio.TimeoutError, KafkaError) as error:
            # A producer whose sequence the broker refused stays refused (aiokafka #1017): the next send gets a new one.
            if producer is not None and self._producer is producer:
                await self.close()
            said = str(error) or type(error).__name__
            raise NotPublished(
                f"expected {self._kafka['bootstrap_servers']} to acknowledge a record on {topic}, found {said}: "
                "see that the brokers run and the topic exists, then send it again"
            ) from error

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._kafka, acks="all", enable_idempotence=True, max_request_size=LARGEST + 64 * 1024
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def close(self) -> None:
        """Send what is under way, and part from the brokers."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with timeout(CLOSING):
                    await producer.stop()
            except (asyncio.TimeoutError, KafkaError) as error:
                logger.warning("the producer was dropped before it had closed: %s", str(error) or type(error).__name__)
