"""Writing: an idempotent Kafka producer, replaced after a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from async_timeout import timeout  # asyncio's wait_for loses a cancellation now and then before Python 3.12

from modelog._kafka.brokers import DENIED, addresses, denied, partitions_of
from modelog.envelope import MAX_EVENT_BYTES, Header
from modelog.errors import NotConnected, NotPublished
from modelog.home import Home, closed

logger = logging.getLogger("modelog")

ACK_TIMEOUT_SECONDS = 60.0
"""For a record and its acknowledgement."""
CLOSE_TIMEOUT_SECONDS = 10.0
"""For sending what is under way and disconnecting."""
CANCEL_TIMEOUT_SECONDS = 1.0
"""For the tasks of a producer to end after their connection was aborted; then they are cancelled again."""


class Sender:
    """Sends with acks=all. It connects on the first send: an application that only reads opens no producer."""

    def __init__(self, kafka: Mapping[str, Any], home: Home) -> None:
        self._kafka = kafka
        self._home = home
        self._lock = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._seen: set[str] = set()
        self._is_closed = False

    async def check(self, topic: str) -> None:
        """Raise what `send` would, if Kafka does not answer, or the topic is missing or not allowed."""
        self._home.check()
        async with self._lock:
            await self._see(topic)

    async def send(self, topic: str, key: bytes, value: bytes, headers: list[Header]) -> None:
        """Return when all replicas in sync have the record.

        Raise NotPublished if that takes too long or the topic is missing, AccessDenied if Kafka refuses this user.
        """
        self._home.check()
        producer = None
        try:
            async with timeout(ACK_TIMEOUT_SECONDS):  # an idempotent producer has no limit of its own
                producer = await self._producer_of(topic)
                await producer.send_and_wait(topic, value, key, headers=headers)
        except DENIED as error:
            await self._forget(producer)
            raise denied(self._kafka, error) from error
        except (asyncio.TimeoutError, KafkaError) as error:
            # A producer whose sequence was refused never recovers (aiokafka #1017): the next send makes another.
            await self._forget(producer)
            self._seen.discard(topic)
            found = str(error) or type(error).__name__
            raise NotPublished(
                f"expected {addresses(self._kafka)} to acknowledge a record on {topic}, found {found}: "
                "check that the brokers run and the topic exists, then publish it again"
            ) from error

    async def _producer_of(self, topic: str) -> AIOKafkaProducer:
        async with self._lock:
            await self._see(topic)
            producer = self._producer or await self._connect()
            if self._is_closed:  # meanwhile
                await close_producer(producer)
                raise closed()
            self._producer = producer
            return producer

    async def _see(self, topic: str) -> None:
        if topic in self._seen:
            return
        try:
            await partitions_of(self._kafka, [topic])
        except NotConnected as error:
            raise NotPublished(str(error)) from error.__cause__
        self._seen.add(topic)

    async def _forget(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and self._producer is producer:
            self._producer = None
            await close_producer(producer)

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
        """Send what is under way, then disconnect for good."""
        self._is_closed = True
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Send what is under way, then disconnect; brokers that do not answer in time are disconnected without it."""
    try:
        async with timeout(CLOSE_TIMEOUT_SECONDS):
            await producer._message_accumulator.close()  # here, because stop() does it in a task that outlives it
            await producer.stop()
    except (asyncio.TimeoutError, KafkaError) as error:
        logger.warning("a producer could not be closed properly: %s", str(error) or type(error).__name__)
    finally:
        await _end(producer)


async def _end(producer: AIOKafkaProducer) -> None:
    """End the tasks that an interrupted stop() leaves running; a second stop() would do nothing."""
    producer._closed = True
    sending, syncing = producer._sender.sender_task, producer.client._sync_task
    running = {task for task in (sending, syncing) if task is not None and not task.done()}
    while running:
        for task in running:
            task.cancel()  # at the first time, the sender still waits for its requests
        for connection in producer.client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()  # close() would wait until the broker takes the bytes
            connection.close()
        _, running = await asyncio.wait(running, timeout=CANCEL_TIMEOUT_SECONDS)
