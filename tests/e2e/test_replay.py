"""Every topic read again from its beginning: all is recognised, so no fact is new and nothing is parked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from shared.bus.topics import PARKED
from stack import Servers
from stack.waiting import until
from tests.e2e.attacks import Place, origin, stranger
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.forgery import of_unknown_models
from tests.e2e.installation import DECIDING
from tests.e2e.invariants import check
from tests.e2e.load import running_load
from tests.e2e.watching import records, wait_until_idle

JUNK_RECORDS = 200


async def delete_groups(cluster: Cluster) -> None:
    """The groups are gone, as when their offsets have expired."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_servers)
    await admin.start()
    try:
        for name in DECIDING:
            group = cluster.prefix + name
            answer = await admin._send_request(DeleteGroupsRequest([group]), await admin.find_coordinator(group))
            assert [code for _, code in answer.results] == [0], answer
    finally:
        await admin.close()


async def reset_offsets(cluster: Cluster) -> None:
    """The groups begin again at offset 0."""
    for name in DECIDING:
        places = [
            TopicPartition(topic, n)
            for topic in cluster.heard_by(name)
            for n in range(cluster.settings.topic_partitions)
        ]
        servers, group = cluster.settings.kafka_servers, cluster.prefix + name
        async with AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False) as consumer:
            consumer.assign(places)
            await consumer.commit(dict.fromkeys(places, 0))


async def logged_and_parked(cluster: Cluster) -> tuple[list[tuple[int, str]], Counter[Place]]:
    """Position and id of every fact, and how often each origin is parked."""
    rows = await cluster.rows("select position, id from log.event order by position")
    places = [origin(cluster, record)[0] for record in await records(cluster, [PARKED])]
    return [(row["position"], str(row["id"])) for row in rows], Counter(place for place in places if place)


@pytest.mark.parametrize("forget", [delete_groups, reset_offsets])
async def test_a_replay_of_every_topic_adds_no_fact_and_parks_nothing(
    servers: Servers, tmp_path: Path, forget: Callable[[Cluster], Awaitable[None]]
) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster, stranger(cluster) as attacker:
        cluster.start("all")
        await cluster.ready("all")
        async with running_load(cluster, tmp_path, rate=60, models=10) as load:
            await attacker.junk(JUNK_RECORDS)
            await attacker.send_all(list(of_unknown_models("nobody")))

            async def enough() -> bool:
                return len(load.sent) >= 300

            await until(enough, "300 messages", seconds=60)
        await wait_until_idle(cluster)
        await check(cluster, load, attacker)
        before = await logged_and_parked(cluster)
        await cluster.stop("all")
        await forget(cluster)
        cluster.start("all")
        await cluster.ready("all")
        await wait_until_idle(cluster)
        assert await logged_and_parked(cluster) == before
        assert not cluster.bugs()
