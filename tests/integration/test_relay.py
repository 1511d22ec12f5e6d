"""The relay says what the log says, in order, and again rather than never."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from modelog.envelope import Message, decode
from modelog.events import Fact, ModelPromoted, ModelRegistered, ModelRetired

from services.relay.app import Relay
from shared.bus.producer import make_producer as producer
from shared.bus.topics import make_topics
from shared.log import Append, Entry, Log
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack.waiting import until
from tests.examples import promoted, registered, retired

META = '{"source": "/modelog/tests", "causation": "1", "correlation": "2", "traceparent": "00-3"}'


@pytest.fixture
async def process(settings: Settings, log: Log) -> Runtime:
    """A registry with topics, whose log is empty."""
    await make_topics(settings)
    return Runtime(settings, log.pool, settings.read_policy())


@asynccontextmanager
async def relaying(process: Runtime) -> AsyncIterator[asyncio.Event]:
    """A relay at work; it ends when the event is set, or the block does."""
    one = Runtime(process.settings, process.pool, process.policy)
    running = asyncio.create_task(Relay().run(one))
    try:
        yield one.stopping
    finally:
        one.stopping.set()
        await asyncio.wait_for(running, 20)


async def say(log: Log, model: str, *facts: Fact) -> None:
    """Append facts behind what a model's stream holds."""
    version = await log.pool.fetchval("select version from log.stream where stream = $1", model) or 0
    entries = [Entry(fact.type, uuid.uuid4(), _told(fact, model), META) for fact in facts]
    assert await log.append([Append(model, version, entries)])


def _told(fact: Fact, model: str) -> str:
    return fact.model_copy(update={"model": model}).model_dump_json()


async def heard(process: Runtime, count: int) -> list[Message[Fact]]:
    """The first so many messages on all topics of facts, each topic in its order."""
    told = process.settings
    consumer = AIOKafkaConsumer(
        *(told.topic_prefix + fact.type for fact in (ModelRegistered, ModelPromoted, ModelRetired)),
        bootstrap_servers=told.kafka_servers, auto_offset_reset="earliest",
    )  # fmt: skip
    async with consumer:
        found: list[Message[Fact]] = []
        async with asyncio.timeout(20):
            async for record in consumer:
                found.append(decode(record.key, record.value, record.headers))  # type: ignore[arg-type]
                if len(found) == count:
                    return found
    raise AssertionError("a consumer never ends")


def positions(messages: list[Message[Fact]]) -> list[int]:
    return [message.sequence or 0 for message in messages]


async def until_spoken(process: Runtime, position: int) -> None:
    """Wait until the relay's cursor is there."""

    async def there() -> bool:
        return bool(await process.pool.fetchval("select position = $1 from log.cursor", position))

    await until(there, f"the relay at {position}", seconds=20, every=0.01)


async def test_a_fact_is_spoken_as_it_was_logged(process: Runtime) -> None:
    await say(Log(process.pool), "fraud", registered(7))
    async with relaying(process):
        (message,) = await heard(process, 1)
    assert message.event == registered(7)
    assert message.sequence == 1
    assert (message.source, message.causation, message.correlation) == ("/modelog/tests", "1", "2")
    assert message.traceparent == "00-3"
    assert uuid.UUID(message.id) == await process.pool.fetchval("select id from log.event")


async def test_more_facts_than_fit_on_a_page_are_spoken_in_order(process: Runtime) -> None:
    for number in range(1, 8):
        await say(Log(process.pool), f"model-{number}", *(registered(version) for version in range(1, 251)))
    async with relaying(process):
        messages = await heard(process, 1750)
        await until_spoken(process, 1750)
    for number in range(1, 8):
        mine = [message for message in messages if message.event.model == f"model-{number}"]
        assert positions(mine) == sorted(set(positions(mine)))
        assert len(mine) == 250


async def test_facts_that_fill_many_batches_lie_where_every_producer_would_put_them(process: Runtime) -> None:
    long = "x" * 100_000
    for number in range(1, 4):
        await say(Log(process.pool), f"model-{number}", *(registered(v, parameters={"x": long}) for v in range(1, 13)))
    async with relaying(process):
        messages = await heard(process, 36)
    topic, bare = process.settings.topic_prefix + ModelRegistered.type, producer(process.settings.kafka_servers)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=process.settings.kafka_servers, auto_offset_reset="earliest"
    ) as consumer, bare:  # fmt: skip
        spoken = [await consumer.getone() for _ in range(36)]
        for number in range(1, 4):
            key = f"model-{number}".encode()
            sent = await bare.send_and_wait(topic, b"", key=key)
            assert {record.partition for record in spoken if record.key == key} == {sent.partition}
            mine = [message for message in messages if message.event.model == key.decode()]
            assert positions(mine) == list(range(12 * number - 11, 12 * number + 1))


async def test_what_was_not_known_to_be_acknowledged_is_spoken_again(process: Runtime) -> None:
    await say(Log(process.pool), "fraud", registered(1), registered(2), registered(3))
    async with relaying(process):
        await until_spoken(process, 3)
    await process.pool.execute("update log.cursor set position = 1")
    async with relaying(process):
        messages = await heard(process, 5)
    assert positions(messages) == [1, 2, 3, 2, 3]
    assert len({message.id for message in messages}) == 3


async def test_one_relay_speaks_and_another_takes_over(process: Runtime) -> None:
    async with relaying(process) as first, relaying(process):
        await say(Log(process.pool), "fraud", registered(1), promoted(1))
        await until_spoken(process, 2)
        first.set()
        await say(Log(process.pool), "fraud", registered(2), retired(1))
        await until_spoken(process, 4)
        assert sorted(positions(await heard(process, 4))) == [1, 2, 3, 4]


async def test_a_relay_that_stops_leaves_no_task_behind(process: Runtime) -> None:
    before = asyncio.all_tasks()
    async with relaying(process):
        await say(Log(process.pool), "fraud", registered(1))
        await until_spoken(process, 1)
    assert asyncio.all_tasks() <= before
