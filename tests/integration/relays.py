"""Relays on the topics of a registry of their own: what the log gets, and what the topics have."""

from __future__ import annotations

import json
import uuid
from contextlib import AbstractAsyncContextManager
from typing import cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from modelog.envelope import Message, decode
from modelog.events import Fact

from services.relay.app import relay
from shared.bus.topics import administration
from shared.log import Append, Entry, Log
from shared.runtime.runtime import Runtime
from stack.waiting import until
from tests.integration.followers import running

META = {
    "source": "/modelog/tests",
    "causation": "1",
    "correlation": "2",
    "traceparent": "00-3",
    "cause": str(uuid.UUID(int=1)),
    "schema": 3,
}


def relaying(runtime: Runtime) -> AbstractAsyncContextManager[Runtime]:
    """A relay that runs in a process of its own."""
    return running(runtime, relay())


async def append(log: Log, model: str, *facts: Fact, **meta: object) -> None:
    """Append facts to a model's stream."""
    version = await log.pool.fetchval("select version from log.stream where stream = $1", model) or 0
    entries = [Entry(fact.type, uuid.uuid4(), _data(fact, model), json.dumps(META | meta)) for fact in facts]
    assert await log.append([Append(model, version, entries)])


def _data(fact: Fact, model: str) -> str:
    return fact.model_copy(update={"model": model}).model_dump_json()


async def all_records(runtime: Runtime, kind: str) -> list[ConsumerRecord]:
    """Every record that is on the topic of this kind, each partition in its order."""
    topic = runtime.settings.topic_prefix + kind
    consumer = AIOKafkaConsumer(bootstrap_servers=runtime.settings.kafka_servers, isolation_level="read_committed")
    async with consumer:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, p) for p in range(runtime.settings.topic_partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found += records
        return found


def messages(records: list[ConsumerRecord]) -> list[Message[Fact]]:
    """What is in these records."""
    found = [decode(record.key, record.value, record.headers) for record in records]
    return cast(list[Message[Fact]], found)


def positions(messages: list[Message[Fact]]) -> list[int]:
    return [message.sequence or 0 for message in messages]


async def positions_of(runtime: Runtime, kind: str) -> list[int]:
    """The positions of the facts on the topic of this kind."""
    return positions(messages(await all_records(runtime, kind)))


async def until_published(runtime: Runtime, position: int) -> None:
    """Wait until the relay's cursor is there."""

    async def there() -> bool:
        return bool(await runtime.pool.fetchval("select position = $1 from log.cursor", position))

    await until(there, f"the relay at {position}", seconds=20, every=0.01)


async def until_on_topic(runtime: Runtime, kind: str, expected: list[int]) -> None:
    """Wait until the topic of this kind has the facts of these positions, in this order."""

    async def there() -> bool:
        return await positions_of(runtime, kind) == expected

    await until(there, f"{expected} on {kind}", seconds=30)


async def delete_topic(runtime: Runtime, kind: str) -> None:
    """Delete the topic of this kind."""
    async with administration(runtime.settings) as admin:
        await admin.delete_topics([runtime.settings.topic_prefix + kind])
