"""The relay publishes what is in the log, in order, at least once."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from modelog.envelope import Message
from modelog.events import Fact, ModelPromoted, ModelRegistered, ModelRetired
from prometheus_client import REGISTRY

from shared.bus.producer import make_producer
from shared.bus.topics import make_topics
from shared.log import Log
from shared.runtime.postgres import connect, session
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack.disposable import Sandbox
from stack.waiting import until
from tests.examples import promoted, registered, retired
from tests.integration.followers import until_reported
from tests.integration.relays import append, messages, positions, relaying, until_published


@pytest.fixture
async def runtime(settings: Settings, log: Log) -> Runtime:
    """A registry with topics, whose log is empty."""
    await make_topics(settings)
    return Runtime(settings, log.pool, settings.read_policy())


async def records(runtime: Runtime, count: int) -> list[ConsumerRecord]:
    """The first so many records on the topics of facts, each topic in its order."""
    settings = runtime.settings
    consumer = AIOKafkaConsumer(
        *(settings.topic_prefix + fact.type for fact in (ModelRegistered, ModelPromoted, ModelRetired)),
        bootstrap_servers=settings.kafka_servers, auto_offset_reset="earliest",
    )  # fmt: skip
    async with consumer, asyncio.timeout(20):
        return [await consumer.getone() for _ in range(count)]


async def read(runtime: Runtime, count: int) -> list[Message[Fact]]:
    """What is in those records."""
    return messages(await records(runtime, count))


async def test_a_fact_is_published_as_it_was_logged(runtime: Runtime) -> None:
    await append(Log(runtime.pool), "fraud", registered(7))
    async with relaying(runtime):
        (message,) = await read(runtime, 1)
    assert message.event == registered(7)
    assert (message.epoch, message.sequence) == (1, 1)
    assert (message.source, message.causation, message.correlation) == ("/modelog/tests", "1", "2")
    assert message.traceparent == "00-3"
    assert uuid.UUID(message.id) == await runtime.pool.fetchval("select id from log.event")


async def test_facts_are_counted_by_type_from_0_on(runtime: Runtime) -> None:
    def counted() -> list[float]:
        types = [{"type": fact.type} for fact in (ModelRegistered, ModelPromoted, ModelRetired)]
        found = [REGISTRY.get_sample_value("modelog_relayed_total", labels) for labels in types]
        assert None not in found, "an alert or a panel would not see the first"
        return [value or 0.0 for value in found]

    async def three_more() -> bool:
        return sum(counted()) >= sum(before) + 3

    before = counted()
    await append(Log(runtime.pool), "fraud", registered(1), registered(2), promoted(2))

    async with relaying(runtime):
        await until_published(runtime, 3)
        await until(three_more, "three facts counted", seconds=20)  # after the cursor has moved
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [2, 1, 0]


async def test_an_actor_is_published_where_the_fact_has_one(runtime: Runtime) -> None:
    await append(Log(runtime.pool), "fraud", registered(1), actor="user-7", schema=2)
    await append(Log(runtime.pool), "fraud", registered(2), schema=2)
    await append(Log(runtime.pool), "fraud", registered(3), actor="/pipelines", schema=1)  # the message's source
    async with relaying(runtime):
        found = await records(runtime, 3)
    assert [dict(record.headers).get("ce_actor") for record in found] == [b"user-7", None, None]


async def test_more_facts_than_fit_in_a_batch_are_published_in_order(runtime: Runtime) -> None:
    for number in range(1, 8):
        await append(Log(runtime.pool), f"model-{number}", *(registered(version) for version in range(1, 251)))
    async with relaying(runtime):
        published = await read(runtime, 1750)
        await until_published(runtime, 1750)
    for number in range(1, 8):
        mine = [message for message in published if message.event.model == f"model-{number}"]
        assert positions(mine) == sorted(set(positions(mine)))
        assert len(mine) == 250


async def test_facts_that_fill_many_batches_are_in_the_partition_where_every_producer_puts_them(
    runtime: Runtime,
) -> None:
    long = "x" * 100_000
    for number in range(1, 4):
        await append(
            Log(runtime.pool), f"model-{number}", *(registered(v, parameters={"x": long}) for v in range(1, 13))
        )
    async with relaying(runtime):
        published = await read(runtime, 36)
    topic = runtime.settings.topic_prefix + ModelRegistered.type
    producer = make_producer(runtime.settings.kafka)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=runtime.settings.kafka_servers, auto_offset_reset="earliest"
    ) as consumer, producer:  # fmt: skip
        found = [await consumer.getone() for _ in range(36)]
        for number in range(1, 4):
            key = f"model-{number}".encode()
            sent = await producer.send_and_wait(topic, b"", key=key)
            assert {record.partition for record in found if record.key == key} == {sent.partition}
            mine = [message for message in published if message.event.model == key.decode()]
            assert positions(mine) == list(range(12 * number - 11, 12 * number + 1))


async def test_what_was_not_known_to_be_acknowledged_is_published_again(runtime: Runtime, sandbox: Sandbox) -> None:
    await append(Log(runtime.pool), "fraud", registered(1), registered(2), registered(3))
    async with relaying(runtime):
        await until_published(runtime, 3)
    async with sandbox.owner() as owner:
        await owner.execute("update log.cursor set position = 1")
    async with relaying(runtime):
        published = await read(runtime, 5)
    assert positions(published) == [1, 2, 3, 2, 3]
    assert len({message.id for message in published}) == 3


async def test_one_relay_publishes_and_another_takes_over(runtime: Runtime) -> None:
    async with relaying(runtime) as first, relaying(runtime):
        await append(Log(runtime.pool), "fraud", registered(1), promoted(1))
        await until_published(runtime, 2)
        first.stopping.set()
        await append(Log(runtime.pool), "fraud", registered(2), retired(1))
        await until_published(runtime, 4)
        assert sorted(positions(await read(runtime, 4))) == [1, 2, 3, 4]


async def test_a_relay_that_stops_leaves_no_task_behind(runtime: Runtime) -> None:
    before = asyncio.all_tasks()
    async with relaying(runtime):
        await append(Log(runtime.pool), "fraud", registered(1))
        await until_published(runtime, 1)
    assert asyncio.all_tasks() <= before


async def test_a_relay_stands_by_while_an_older_program_holds_the_lock(runtime: Runtime) -> None:
    async with session(runtime.pool) as older:
        await older.execute("select pg_advisory_lock(24302)")
        async with relaying(runtime) as own:
            await until_reported(own, "relay", ready=True, role="standby")


async def test_the_cursor_passes_positions_that_belong_to_no_fact(runtime: Runtime, database: str) -> None:
    """As after a crash of Postgres, which skips positions, or a transaction that was rolled back."""
    await append(Log(runtime.pool), "fraud", registered(7))
    async with await connect(database, None, size=1) as owner:
        await owner.execute("select setval('log.position', 33)")
    async with relaying(runtime):
        await until_published(runtime, 33)
    assert len(await read(runtime, 1)) == 1
