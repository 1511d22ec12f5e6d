"""Looking at a registry from outside: whether anybody has anything left to do, and what stands on its topics."""

from __future__ import annotations

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services import component
from tests.e2e.cluster import DECIDING, Cluster
from tests.e2e.process import until


async def quiet(cluster: Cluster, limit: float = 120.0) -> None:
    """Wait until nobody has anything left to do."""
    seen = -1

    async def still() -> bool:
        nonlocal seen
        try:
            before, seen = seen, await _settled(cluster)
        except (OSError, asyncpg.PostgresError):
            return False
        return seen == before and not await lags(cluster)

    await until(still, f"a quiet registry ({cluster.logs})", limit, every=1.0)


async def _settled(cluster: Cluster) -> int:
    log = await cluster.log()
    try:
        settled = int(await log.fetchval("select log.settled()"))
        relayed = await log.fetchval("select position from log.cursor where follower = 'relay'")
        behind = await log.fetchval("select count(*) from registry.cursor where position < $1", settled)
        return settled if relayed == settled and not behind else -1
    finally:
        await log.close()


async def lags(cluster: Cluster) -> dict[str, int]:
    """Records that a service has not answered for yet."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_servers)
    await admin.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.settings.kafka_servers)
    await consumer.start()
    try:
        found = {}
        for name in DECIDING:
            committed = await admin.list_consumer_group_offsets(cluster.prefix + name)
            topics = [cluster.prefix + event.type for event in component(name).handlers]  # type: ignore[attr-defined]
            ends = await consumer.end_offsets(_partitions(cluster, topics))
            behind = sum(end - (committed[one].offset if one in committed else 0) for one, end in ends.items())
            if behind:
                found[name] = behind
        return found
    finally:
        await consumer.stop()
        await admin.close()


def _partitions(cluster: Cluster, topics: list[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic in topics for n in range(cluster.settings.topic_partitions)]


async def records(cluster: Cluster, names: list[str]) -> list[ConsumerRecord]:
    """Everything on these topics, each partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.settings.kafka_servers)
    consumer.assign(_partitions(cluster, [cluster.prefix + name for name in names]))
    await consumer.start()
    try:
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for some in (await consumer.getmany(timeout_ms=500)).values():
                found += some
        return found
    finally:
        await consumer.stop()
