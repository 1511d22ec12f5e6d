"""Topics, groups, transactions and locks that a stranger holds: /readyz names what waits, everything else goes on."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from modelog.envelope import encode
from modelog.events import DriftDetected, RetirementRequested

from stack import Addresses
from stack.waiting import until
from tests.e2e.attacks import MARK, MIB, foreign_consumers, stranger
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import PROMOTED, Honest
from tests.e2e.watching import records, wait_until_idle

LARGE_MIB = 300
PARTITIONS = 2
HOLD = (
    "insert into log.event (stream, version, kind, id, data, meta) values ('held', 1, 'drift.recorded', $1, '{}', '{}')"
)
LAST = "select max(position) as position from log.event where kind = $1 and stream like $2"
LOCK_CURSOR = "select * from log.cursor where follower = 'relay' for update"


@pytest.fixture(scope="module")
async def cluster(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    logs = tmp_path_factory.mktemp("servers")
    async with new_cluster(stack, logs, MODELOG_TOPIC_PARTITIONS=str(PARTITIONS)) as cluster:
        cluster.start("all", module="tests.e2e.impatient")
        await cluster.ready("all")
        yield cluster


async def wait_until_not_ready(cluster: Cluster, service: str, *words: str) -> None:
    """Wait until /readyz shows that this service is not ready, with these words."""

    async def not_ready() -> bool:
        state = (await asyncio.to_thread(cluster.running["all"].components)).get(service, {"ready": True})
        return not state["ready"] and all(word in json.dumps(state) for word in words)

    await until(not_ready, f"{service} not ready with {words} ({cluster.logs})", seconds=60, every=0.2)


@asynccontextmanager
async def observed(cluster: Cluster) -> AsyncIterator[Mapping[str, set[str]]]:
    """What /readyz shows of each service that is not ready, at any time during the block."""
    seen: dict[str, set[str]] = defaultdict(set)

    async def observe() -> None:
        while True:
            for service, state in (await asyncio.to_thread(cluster.running["all"].components)).items():
                if not state["ready"]:
                    seen[service].add(json.dumps(state))
            await asyncio.sleep(0.1)

    observing = asyncio.create_task(observe())
    try:
        yield seen
    finally:
        observing.cancel()
        await asyncio.wait([observing])


@asynccontextmanager
async def transaction(cluster: Cluster) -> AsyncIterator[asyncpg.Connection]:
    """A transaction in the log, which is taken back at the end of the block."""
    log = await cluster.log()
    try:
        await log.execute("begin")
        yield log
    finally:
        await log.close()


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
    rows = await cluster.rows("select position from log.event where stream = $1 and kind = $2 order by 1", model, kind)
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
    (small,) = await cluster.rows(LAST, "model.promoted", "small%")
    (large_registered,) = await cluster.rows(LAST, "model.registered", "large")
    assert small["position"] < large_registered["position"]


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
        await producer.commit_transaction()
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
    async with observed(cluster) as sentences:
        await pipeline.registry.publish(RetirementRequested(model="topics", version=1, by="grace"), id="refused-5")
        await pipeline.promoted("beside-deleted")
        await wait_for_published(cluster, "model.promoted", "beside-deleted", 1)
        await wait_for_published(cluster, "retirement.refused", "topics", 6)
        await cluster.ready("all")
    assert any("retirement.refused" in sentence for sentence in sentences["relay"])
    assert any("drift.detected" in sentence for sentence in sentences["retraining"])
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
    async with transaction(cluster) as log:
        assert await log.fetch(LOCK_CURSOR)
        await pipeline.trains("relay-held")
        await wait_until_not_ready(cluster, "relay")
    await pipeline.answered("relay-held")
    await cluster.ready("all")


async def test_a_transaction_that_stays_open_in_the_log_shows_in_readyz_with_its_reason(
    cluster: Cluster, pipeline: Honest
) -> None:
    async with transaction(cluster) as log:
        await log.execute(HOLD, uuid4())
        await pipeline.trains("horizon-held")
        await pipeline.answered("horizon-held", "model.registered")
        await wait_until_not_ready(cluster, "relay", "transaction")
        await wait_until_not_ready(cluster, "views", "transaction")
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
