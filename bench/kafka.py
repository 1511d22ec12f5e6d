"""aiokafka's own producer and consumer, with the settings of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from modelog.envelope import Header, encode
from modelog.events import Event

from stack.disposable import Sandbox

Sent = tuple[str, bytes, bytes, list[Header]]
RECORDS_AT_ONCE = 2_000


def records(sandbox: Sandbox, events: Iterable[Event]) -> Iterator[Sent]:
    """Topic, key, value and headers of these events."""
    return ((sandbox.settings.topic_prefix + event.type, *encode(event, source="/bench")) for event in events)


@asynccontextmanager
async def producing(sandbox: Sandbox) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that waits for all replicas, is idempotent and does not linger."""
    producer = AIOKafkaProducer(
        bootstrap_servers=sandbox.settings.kafka_servers, acks="all", enable_idempotence=True, linger_ms=0
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consuming(sandbox: Sandbox, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of whole topics, from their beginning."""
    consumer = AIOKafkaConsumer(
        *(sandbox.settings.topic_prefix + topic for topic in topics),
        bootstrap_servers=sandbox.settings.kafka_servers,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def send_all(producer: AIOKafkaProducer, sending: Iterable[Sent]) -> float:
    """Send in order and await the acknowledgements of each batch; return the records a second."""
    began, sent, waiting = time.perf_counter(), 0, iter(sending)
    while batch := list(islice(waiting, RECORDS_AT_ONCE)):
        await asyncio.gather(
            *[await producer.send(topic, value, key=key, headers=headers) for topic, key, value, headers in batch]
        )
        sent += len(batch)
    return sent / (time.perf_counter() - began)


async def batches(consumer: AIOKafkaConsumer, upto: int, max_records: int = 500) -> AsyncIterator[list[ConsumerRecord]]:
    """The first `upto` records, as they come."""
    seen = 0
    while seen < upto:
        found = await consumer.getmany(timeout_ms=5_000, max_records=max_records)
        if batch := [record for records in found.values() for record in records]:
            seen += len(batch)
            yield batch
