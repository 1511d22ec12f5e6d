"""A registry seen from outside: whether its services have work left, and the records on its topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stack.waiting import until
from tests.e2e.cluster import DECIDING, Cluster

MAX_READ_RECORDS = 100
"""More offsets behind the committed ones are counted without a look at their records."""

Offsets = Mapping[TopicPartition, int]


async def wait_until_idle(cluster: Cluster, seconds: float = 120.0) -> None:
    """Wait until every message is answered, every fact is published, and no view is behind."""
    last, behind = -1, dict[str, int]()

    async def idle() -> bool:
        nonlocal last, behind
        before, last = last, await _settled(cluster)
        behind = await lags(cluster)
        return last == before != -1 and not behind

    not_yet = (OSError, asyncpg.PostgresError)
    try:
        await until(idle, f"an idle registry ({cluster.logs})", seconds=seconds, every=0.2, not_yet=not_yet)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; settled and shown up to {last}, records behind: {behind}") from error


async def _settled(cluster: Cluster) -> int:
    """The last position if the relay and all views have reached it, else -1."""
    log = await cluster.log()
    try:
        settled = int(await log.fetchval("select log.settled()"))
        relayed = await log.fetchval("select position from log.cursor where follower = 'relay'")
        behind = await log.fetchval("select count(*) from registry.cursor where position < $1", settled)
        return settled if relayed == settled and not behind else -1
    finally:
        await log.close()


async def lags(cluster: Cluster) -> dict[str, int]:
    """The number of records that each service has not answered yet."""
    admin = AIOKafkaAdminClient(**cluster.settings.kafka)
    await admin.start()
    consumer = _consumer(cluster)
    await consumer.start()
    try:
        found = {}
        for name in DECIDING:
            committed = await admin.list_consumer_group_offsets(cluster.prefix + name)
            ends = await consumer.end_offsets(_partitions(cluster, cluster.heard_by(name)))
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


def _partitions(cluster: Cluster, topics: list[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic in topics for n in range(cluster.settings.topic_partitions)]


async def records(cluster: Cluster, names: list[str]) -> list[ConsumerRecord]:
    """Every committed record on these topics, each partition in order."""
    consumer = _consumer(cluster)
    consumer.assign(_partitions(cluster, [cluster.prefix + name for name in names]))
    await consumer.start()
    try:
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(consumer.assignment())
        return [record async for record in _until(consumer, ends)]
    finally:
        await consumer.stop()


def _consumer(cluster: Cluster) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(**cluster.settings.kafka, isolation_level="read_committed")


async def _until(consumer: AIOKafkaConsumer, ends: Offsets) -> AsyncIterator[ConsumerRecord]:
    while any([await consumer.position(partition) < ends[partition] for partition in consumer.assignment()]):
        for batch in (await consumer.getmany(timeout_ms=500)).values():
            for record in batch:
                yield record
