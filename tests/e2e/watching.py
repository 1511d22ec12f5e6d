"""A registry seen from outside: whether its services have work left, and the records on its topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stack.waiting import until
from tests.e2e.installation import DECIDING, Installation

MAX_READ_RECORDS = 100
"""More offsets behind the committed ones are counted without a look at their records."""

Offsets = Mapping[TopicPartition, int]


async def wait_until_idle(installation: Installation, seconds: float = 120.0) -> None:
    """Wait until every message is answered, every fact is published, and no view is behind."""
    last, behind = -1, dict[str, int]()

    async def idle() -> bool:
        nonlocal last, behind
        before, last = last, await _settled(installation)
        behind = await lags(installation)
        return last == before != -1 and not behind

    not_yet = (OSError, asyncpg.PostgresError)
    try:
        await until(idle, f"an idle registry ({installation.logs})", seconds=seconds, every=0.2, not_yet=not_yet)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; settled and shown up to {last}, records behind: {behind}") from error


async def _settled(installation: Installation) -> int:
    """The last position if the relay and all views have reached it, else -1."""
    log = await installation.log()
    try:
        settled = int(await log.fetchval("select log.settled()"))
        relayed = await log.fetchval("select position from log.cursor where follower = 'relay'")
        behind = await log.fetchval("select count(*) from registry.cursor where position < $1", settled)
        return settled if relayed == settled and not behind else -1
    finally:
        await log.close()


async def lags(installation: Installation) -> dict[str, int]:
    """The number of records that each service has not answered yet."""
    admin = AIOKafkaAdminClient(**installation.settings.kafka)
    await admin.start()
    consumer = _consumer(installation)
    await consumer.start()
    try:
        found = {}
        for name in DECIDING:
            committed = await admin.list_consumer_group_offsets(installation.prefix + name)
            ends = await consumer.end_offsets(_partitions(installation, installation.heard_by(name)))
            begins = {key: committed[key].offset if key in committed else 0 for key in ends}
            if behind := await _records_between(consumer, begins, ends):
                found[name] = behind
        return found
    finally:
        await consumer.stop()
        await admin.close()


async def _records_between(consumer: AIOKafkaConsumer, begins: Offsets, ends: Offsets) -> int:
    """How many records are there; the markers of transactions have offsets too, and nobody answers them."""
    differing = {key: ends[key] - begin for key, begin in begins.items() if begin < ends[key]}
    if not differing or (many := sum(differing.values())) > MAX_READ_RECORDS:
        return many if differing else 0
    consumer.assign(list(differing))
    for key in differing:
        consumer.seek(key, begins[key])
    return len([record async for record in _until(consumer, ends)])


def _partitions(installation: Installation, topics: list[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic in topics for n in range(installation.settings.topic_partitions)]


async def records(installation: Installation, names: list[str]) -> list[ConsumerRecord]:
    """Every committed record on these topics, each partition in order."""
    consumer = _consumer(installation)
    consumer.assign(_partitions(installation, [installation.prefix + name for name in names]))
    await consumer.start()
    try:
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(consumer.assignment())
        return [record async for record in _until(consumer, ends)]
    finally:
        await consumer.stop()


def _consumer(installation: Installation) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(**installation.settings.kafka, isolation_level="read_committed")


async def _until(consumer: AIOKafkaConsumer, ends: Offsets) -> AsyncIterator[ConsumerRecord]:
    while any([await consumer.position(partition) < ends[partition] for partition in consumer.assignment()]):
        for batch in (await consumer.getmany(timeout_ms=500)).values():
            for record in batch:
                yield record
