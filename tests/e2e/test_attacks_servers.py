"""Topics, groups, transactions and locks that a stranger holds: /readyz names what waits, everything else goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from modelog.envelope import encode
from modelog.events import DriftDetected, RetirementRequested

from stack import Addresses
from stack.waiting import until
from tests.e2e.attacks import MARK, MIB, foreign_consumers, stranger
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import PROMOTED, Honest, honest
from tests.e2e.watching import records, wait_until_idle

LARGE_MIB = 300
PARTITIONS = 2
HOLD = (
    "insert into log.event (stream, version, kind, id, data, meta) values ('held', 1, 'drift.recorded', $1, '{}', '{}')"
)
LOCK_CURSOR = "select * from log.cursor where follower = 'relay' for update"


@pytest.fixture(scope="module")
async def cluster(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    logs = tmp_path_factory.mktemp("servers")
    async with new_cluster(stack, logs, MODELOG_TOPIC_PARTITIONS=str(PARTITIONS)) as cluster:
        cluster.start("all", module="tests.e2e.impatient")
        await cluster.ready("all")
        yield cluster


@pytest.fixture(scope="module")
async def pipeline(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Honest]:
    async with honest(cluster, tmp_path_factory.mktemp("files")) as pipeline:
        yield pipeline


async def wait_until_not_ready(cluster: Cluster, service: str, *words: str) -> None:
    """Wait until /readyz shows that this service is not ready, with these words."""

    async def not_ready() -> bool:
        state = (await asyncio.to_thread(cluster.running["all"].components)).get(service, {"ready": True})
        return not state["ready"] and all(word in json.dumps(state) for word in words)

    await until(not_ready, f"{service} not ready with {words} ({cluster.logs})", seconds=60, every=0.2)


async def published(cluster: Cluster, kind: str, model: str) -> list[int]:
    """The positions of a model's facts on their topic."""
    found = [record for record in await records(cluster, [kind]) if record.key == model.encode()]
    return [int(dict(record.headers)["ce_sequence"]) for record in found]


async def wait_for_published(cluster: Cluster, kind: str, model: str, count: int) -> None:
    """Wait until the topic has exactly the facts of the log, in order."""

    async def complete() -> bool:
        return len(set(await published(cluster, kind, model))) >= count

    await until(complete, f"{count} {kind} of {model} on their topic ({cluster.logs})", seconds=90, every=0.3)
    positions = list(dict.fromkeys(await published(cluster, kind, model)))
    log = await cluster.log()
    rows = await log.fetch("select position from log.event where stream = $1 and kind = $2 order by 1", model, kind)
    await log.close()
    assert positions == [row["position"] for row in rows]


async def test_a_small_model_does_not_wait_for_a_large_one(cluster: Cluster, pipeline: Honest, tmp_path: Path) -> None:
    large = tmp_path / "large.pkl"
    with large.open("wb") as data:
        data.write(b"\x80\x04N.")
        data.truncate(LARGE_MIB * MIB)
    artifact = await asyncio.to_thread(cluster.settings.store().upload, large)
    large.unlink()
    await pipeline.trains("large", artifact=artifact)
    for n in range(8):
        await pipeline.trains(f"small-{n}")
    for n in range(8):
        await pipeline.answered(f"small-{n}")
    await pipeline.answered("large")
    log = await cluster.log()
    order = "select stream from log.event where kind = 'model.promoted' and stream like $1 order by position"
    assert [row["stream"] for row in await log.fetch(order, "small%")]
    registered = "select position from log.event where kind = 'model.registered' and stream = 'large'"
    promoted = "select max(position) from log.event where kind = 'model.promoted' and stream like 'small%'"
    assert await log.fetchval(promoted) < await log.fetchval(registered)
    await log.close()


async def test_an_open_transaction_holds_its_partition_only_shows_as_lag_and_is_answered_at_its_end(
    cluster: Cluster, pipeline: Honest
) -> None:
    key, value, headers = encode(pipeline.run("hanging"), source="/stranger", id="hanging")
    topic = cluster.prefix + "model.trained"
    async with stranger(cluster) as attacker, attacker.transaction() as producer:
        sent = await producer.send_and_wait(topic, value, key=key, headers=[*headers, MARK], partition=0)
        assert sent.partition == 0
        key, value, headers = encode(pipeline.run("beside-hanging"), source="/pipelines", id="beside-hanging")
        await attacker.producer.send_and_wait(topic, value, key=key, headers=headers, partition=1)
        await pipeline.answered("beside-hanging")
        await wait_until_not_ready(cluster, "ingestion", "model.trained", "transaction")
        assert await pipeline.kinds("hanging") == []
    await pipeline.answered("hanging")
    await cluster.ready("all")


async def test_topics_that_are_deleted_stop_no_other_and_are_filled_again(cluster: Cluster, pipeline: Honest) -> None:
    await pipeline.promoted("topics")
    for n in range(5):
        await pipeline.registry.publish(RetirementRequested(model="topics", version=1, by="ada"), id=f"refused-{n}")
        await pipeline.registry.publish(_drift("topics"), id=f"drift-{n}")
    await wait_until_idle(cluster)
    await wait_for_published(cluster, "retirement.refused", "topics", 5)
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_servers)
    await admin.start()
    await admin.delete_topics([cluster.prefix + "retirement.refused", cluster.prefix + "drift.detected"])
    await admin.close()
    await pipeline.registry.publish(RetirementRequested(model="topics", version=1, by="grace"), id="refused-5")
    await pipeline.promoted("beside-deleted")
    await wait_for_published(cluster, "model.promoted", "beside-deleted", 1)
    await wait_until_not_ready(cluster, "retraining", "drift.detected")
    await wait_for_published(cluster, "retirement.refused", "topics", 6)
    await cluster.sandbox.set_up()
    before = (await pipeline.kinds("topics")).count("drift.recorded")
    for n in range(8):
        await pipeline.registry.publish(_drift("topics"), id=f"drift-again-{n}")
    await cluster.ready("all")
    await wait_until_idle(cluster)
    assert (await pipeline.kinds("topics")).count("drift.recorded") == before + 8
    assert not cluster.bugs()


def _drift(model: str) -> DriftDetected:
    return DriftDetected(model=model, version=1, detector="ks", score=0.4, threshold=0.1, drifted=False)


async def test_a_relay_that_cannot_move_its_cursor_shows_in_readyz_and_goes_on_afterwards(
    cluster: Cluster, pipeline: Honest
) -> None:
    log = await cluster.log()
    async with log.transaction():
        assert await log.fetch(LOCK_CURSOR)
        await pipeline.trains("relay-held")
        await pipeline.answered("relay-held", "model.registered")
        await wait_until_not_ready(cluster, "relay")
    await log.close()
    await pipeline.answered("relay-held")
    await cluster.ready("all")


async def test_a_transaction_that_stays_open_in_the_log_shows_in_readyz_with_its_reason(
    cluster: Cluster, pipeline: Honest
) -> None:
    log = await cluster.log()
    transaction = log.transaction()
    await transaction.start()
    await log.execute(HOLD, uuid4())
    await pipeline.trains("horizon-held")
    await pipeline.answered("horizon-held", "model.registered")
    await wait_until_not_ready(cluster, "relay", "transaction")
    await wait_until_not_ready(cluster, "views", "transaction")
    await transaction.rollback()
    await log.close()
    await pipeline.answered("horizon-held")
    await cluster.ready("all")


async def test_foreign_members_of_a_group_make_the_service_not_ready_until_they_leave(
    cluster: Cluster, pipeline: Honest
) -> None:
    async with foreign_consumers(cluster, "ingestion"):
        for n in range(4):
            await pipeline.trains(f"taken-{n}")
        await wait_until_not_ready(cluster, "ingestion", "group")
    for n in range(4):
        await pipeline.answered(f"taken-{n}", *PROMOTED)
    await cluster.ready("all")
    await wait_until_idle(cluster)
    assert not cluster.bugs()
