"""What the components of a process share."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from modelog.policy import DEFAULT

from shared.runtime import runtime
from shared.runtime.runtime import Context, Resource, Runtime, cancel_late
from tests.examples import NOON


class Pool:
    async def close(self) -> None:
        """Nothing was connected."""


class Store(Resource):
    """A resource that knows how often it was opened, and whether it was closed."""

    opened = 0

    def __init__(self) -> None:
        self.closed = False

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        cls.opened += 1
        store = cls()
        runtime.closing.callback(store.close)
        return store

    def close(self) -> None:
        self.closed = True


async def test_a_resource_is_opened_once_and_closed_with_the_process() -> None:
    process = Runtime(cast(Any, None), cast(Any, Pool()), DEFAULT)
    store = process.resource(Store)
    assert process.resource(Store) is store
    assert Store.opened == 1
    await process.close()
    assert store.closed


async def test_a_resource_that_knows_no_problem_has_none() -> None:
    assert await Store().problem() is None


def test_a_handler_gets_only_what_its_service_needs() -> None:
    store = Store()
    assert Context(NOON, DEFAULT, {Store: store}).resource(Store) is store
    with pytest.raises(KeyError):
        Context(NOON, DEFAULT, {}).resource(Store)


class Connections:
    """A pool whose server is silent."""

    def __init__(self) -> None:
        self.cut = asyncio.Event()

    def terminate(self) -> None:
        self.cut.set()

    async def query(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:  # as asyncpg, which waits until the server has heard of the cancellation
            await self.cut.wait()


async def test_what_waits_for_a_server_that_is_gone_is_cancelled_and_cut_when_the_process_has_had_its_time_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "LAST_SECONDS", 0.001)
    pool: Any = Connections()
    settings: Any = SimpleNamespace(graceful_seconds=0)
    process = Runtime(settings, pool, DEFAULT)
    ended, waiting = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(pool.query())
    late = asyncio.create_task(cancel_late([ended, waiting], process))
    await asyncio.sleep(0.01)
    assert not late.done()
    process.stopping.set()
    await late
    assert not ended.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await waiting
