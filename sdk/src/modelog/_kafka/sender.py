"""Writing: one idempotent Kafka producer, made anew after it failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from async_timeout import timeout  # asyncio's wait_for loses a cancellation now and then before Python 3.12

from modelog.envelope import MAX_EVENT_BYTES, Header
from modelog.errors import NotPublished

logger = logging.getLogger("modelog")

PATIENCE = 60.0
"""Seconds until a message that no broker acknowledged is given up."""
CLOSING = 10.0
"""Seconds that a producer has to say goodbye."""
ENDING = 1.0
"""Seconds that the requests of a producer have to notice that their connection is gone."""


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
            **self._kafka, acks="all", enable_idempotence=True, max_request_size=MAX_EVENT_BYTES + 64 * 1024
        )
        try:
            await producer.start()
        except BaseException:
            await close_producer(producer)
            raise
        return producer

    async def close(self) -> None:
        """Send what is under way, and part from the brokers."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Send what is under way and part from the brokers; from those that do not answer in time, without a word."""
    try:
        async with timeout(CLOSING):
            await producer._message_accumulator.close()  # in here: stop() does it in a task that would outlive it
            await producer.stop()
    except (asyncio.TimeoutError, KafkaError) as error:
        logger.warning("a producer was dropped before it had closed: %s", str(error) or type(error).__name__)
    finally:
        await _end(producer)


async def _end(producer: AIOKafkaProducer) -> None:
    """End what a stop() that was interrupted leaves behind: it does nothing when it is called again."""
    producer._closed = True
    sending, syncing = producer._sender.sender_task, producer.client._sync_task
    running = {task for task in (sending, syncing) if task is not None and not task.done()}
    while running:
        for task in running:
            task.cancel()  # the sender waits for its requests then, at the second time no more
        for connection in producer.client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()  # a close would wait for bytes that nobody takes
            connection.close()
        _, running = await asyncio.wait(running, timeout=ENDING)
