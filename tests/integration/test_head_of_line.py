"""A handler that waits, on a real Kafka: its model waits for it and no other, and no committed offset passes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from modelog.envelope import Message, encode
from modelog.events import RetirementRequested
from modelog.policy import DEFAULT

from services.retirement.decision import Retire, retirement
from shared.bus.open_records import MAX_OPEN_RECORDS
from shared.deciding.service import Context, Service
from shared.log import Log
from shared.runtime.runtime import Runtime
from stack import Addresses
from stack.disposable import Sandbox, disposable
from stack.waiting import until

NAME = "held"
TOPIC = RetirementRequested.type
CAUSES = "select meta ->> 'causation' as cause from log.event where stream = $1 order by version"


@pytest.fixture
async def sandbox(stack: Addresses) -> AsyncIterator[Sandbox]:
    async with disposable(stack, "held", MODELOG_TOPIC_PARTITIONS="2", MODELOG_GRACEFUL_SECONDS="1") as sandbox:
        yield sandbox


class Held:
    """A service whose messages about the model `slow` wait until `gate` is set."""

    def __init__(self, sandbox: Sandbox, log: Log) -> None:
        self.gate = asyncio.Event()
        self.log = log
        self.runtime = Runtime(sandbox.settings, log.pool, DEFAULT)
        self.service = Service(NAME, retirement)

        @self.service.on(RetirementRequested)
        async def retire_what_is_requested(message: Message[RetirementRequested], context: Context) -> Retire:
            if message.event.model == "slow":
                await self.gate.wait()
            return Retire(message.event.model, message.event.version, message.event.by, message.event.reason)

    async def answered(self, model: str, ids: Sequence[str]) -> None:
        """Wait until these messages have an answer; the model's answers are exactly theirs, in order."""

        async def enough() -> bool:
            return len(await self.causes(model)) >= len(ids)

        await until(enough, f"{len(ids)} answers of {model}", seconds=60)
        assert await self.causes(model) == list(ids)

    async def causes(self, model: str) -> list[str]:
        return [row["cause"] for row in await self.log.pool.fetch(CAUSES, model)]

    async def shows(self, **state: object) -> None:
        """Wait until /readyz has these fields of the service."""

        async def shown() -> bool:
            return state.items() <= self.runtime.health.components.get(NAME, {}).items()

        await until(shown, f"{state} in {self.runtime.health.components}", seconds=60)


@asynccontextmanager
async def running(sandbox: Sandbox) -> AsyncIterator[Held]:
    async with await sandbox.service(6) as pool:
        held = Held(sandbox, Log(pool))
        async with asyncio.TaskGroup() as group:
            group.create_task(held.service.run(held.runtime))
            try:
                yield held
            finally:
                held.runtime.stopping.set()


async def send(sandbox: Sandbox, model: str, ids: Sequence[str], partition: int = 0) -> None:
    topic = sandbox.settings.topic_prefix + TOPIC
    async with AIOKafkaProducer(bootstrap_servers=sandbox.settings.kafka_servers) as producer:
        for id in ids:
            event = RetirementRequested(model=model, version=1, by="ada")
            key, value, headers = encode(event, source="/tests", id=id)
            await producer.send(topic, value, key=key, headers=headers, partition=partition)
        await producer.flush()


async def wait_for_committed(sandbox: Sandbox, offset: int, partition: int = 0) -> None:
    """Wait until this is the offset that the group continues from."""
    place = TopicPartition(sandbox.settings.topic_prefix + TOPIC, partition)
    admin = AIOKafkaAdminClient(bootstrap_servers=sandbox.settings.kafka_servers)
    await admin.start()

    async def committed() -> bool:
        found = await admin.list_consumer_group_offsets(sandbox.settings.topic_prefix + NAME)
        return place in found and found[place].offset == offset

    try:
        await until(committed, f"{offset} committed", seconds=60)
    finally:
        await admin.close()


async def test_a_message_that_waits_delays_its_model_alone_and_no_offset_passes_it(sandbox: Sandbox) -> None:
    fast = [f"fast-{n}" for n in range(50)]
    async with running(sandbox) as held:
        await send(sandbox, "fast", fast[:1])
        await send(sandbox, "slow", ["slow-1"])
        await send(sandbox, "fast", fast[1:])
        await send(sandbox, "slow", ["slow-2"])
        await held.answered("fast", fast)
        await wait_for_committed(sandbox, 1)
        assert await held.causes("slow") == []
        held.gate.set()
        await held.answered("slow", ["slow-1", "slow-2"])
        await wait_for_committed(sandbox, 52)


async def test_what_comes_again_behind_a_message_that_was_open_at_the_end_is_recognised(sandbox: Sandbox) -> None:
    fast = [f"fast-{n}" for n in range(50)]
    async with running(sandbox) as held:
        await send(sandbox, "slow", ["slow-1"])
        await send(sandbox, "fast", fast)
        await held.answered("fast", fast)
    async with running(sandbox) as held:
        held.gate.set()
        await held.answered("slow", ["slow-1"])
        await wait_for_committed(sandbox, 51)
        await held.answered("fast", fast)


async def test_a_partition_with_too_many_open_messages_is_paused_and_the_others_go_on(sandbox: Sandbox) -> None:
    slow = [f"slow-{n}" for n in range(MAX_OPEN_RECORDS + 100)]
    async with running(sandbox) as held:
        await send(sandbox, "slow", slow)
        await held.shows(paused=1)
        await send(sandbox, "fast", ["fast-1"], partition=1)
        await held.answered("fast", ["fast-1"])
        held.gate.set()
        await held.answered("slow", slow)
        await held.shows(paused=0, lag=0)
