"""A relay that was replaced publishes nothing behind the first fact of its successor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.produce import ProduceRequest
from modelog._kafka.sender import close_producer
from modelog.events import ModelRegistered

from services.relay.fence import FencedProducer
from shared.bus.topics import make_topics
from shared.log import Log
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from tests.examples import registered
from tests.integration.followers import until_reported
from tests.integration.relays import append, positions_of, relaying, until_published

KILL = """
select count(pg_terminate_backend(pid)) from pg_locks
 where locktype = 'advisory' and classid = 0 and objid = 24302 and granted
   and database = (select oid from pg_database where datname = current_database())
"""


@pytest.fixture
async def runtime(settings: Settings, log: Log) -> Runtime:
    await make_topics(settings)
    return Runtime(settings, log.pool, settings.read_policy())


class HeldProducer:
    """The first producer that is opened: its produce requests wait for `released`, and nobody closes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_held, self.released = asyncio.Event(), asyncio.Event()
        self.producer: AIOKafkaProducer | None = None
        self._send: Callable[..., Awaitable[object]]
        renew = FencedProducer.renew

        async def renew_and_hold(fence: FencedProducer) -> None:
            await renew(fence)
            if self.producer is None:
                self.producer, self._send = fence.producer, fence.producer.client.send
                self.producer.client.send = self._send_later
                fence.close = self._leave_open  # type: ignore[method-assign]

        monkeypatch.setattr(FencedProducer, "renew", renew_and_hold)

    async def _send_later(self, node: int, request: object, **options: object) -> object:
        if isinstance(request, ProduceRequest):
            self.is_held.set()
            await self.released.wait()
        return await self._send(node, request, **options)

    async def _leave_open(self) -> None:
        """The process does not know yet that it was replaced."""

    async def release(self) -> object:
        """Let its requests go, and return what becomes of its batch."""
        assert self.producer is not None
        (batch,) = self.producer._message_accumulator._pending_batches
        self.released.set()
        await asyncio.wait([batch.future])
        await close_producer(self.producer)
        return batch.future.exception()


async def test_what_a_replaced_relay_still_sends_comes_before_its_successor_or_is_refused(
    runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldProducer(monkeypatch)
    await append(Log(runtime.pool), "fraud", registered(1))
    async with relaying(runtime):
        await held.is_held.wait()
        owner = await asyncpg.connect(database)
        assert await owner.fetchval(KILL)
        await owner.close()
        async with relaying(runtime) as second:
            await until_reported(second, "relay", role="leader")
            await append(Log(runtime.pool), "fraud", registered(2))
            await until_published(runtime, 2)
            assert await positions_of(runtime, ModelRegistered.type) == [1, 2]
            assert isinstance(await held.release(), ProducerFenced)
            assert await positions_of(runtime, ModelRegistered.type) == [1, 2]


async def test_an_older_producer_is_refused_in_each_partition_where_a_newer_has_written(runtime: Runtime) -> None:
    topic = runtime.settings.topic_prefix + ModelRegistered.type
    first, second = FencedProducer(runtime.settings), FencedProducer(runtime.settings)
    await first.renew()
    await second.renew()
    await second.producer.send_and_wait(topic, b"new", partition=0)
    await first.producer.send_and_wait(topic, b"old", partition=1)
    await second.producer.send_and_wait(topic, b"new", partition=1)
    for partition in (0, 1):
        with pytest.raises(ProducerFenced):
            await first.producer.send_and_wait(topic, b"old", partition=partition)
    await second.renew()
    await second.producer.send_and_wait(topic, b"newer", partition=0)
    await first.close()
    await second.close()
