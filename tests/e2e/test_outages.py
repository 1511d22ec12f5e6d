"""Servers that are away for a while: services say so, wait, lose nothing and do not run hot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from stack import Servers
from tests.e2e.load import Load
from tests.e2e.process import until
from tests.e2e.truth import check
from tests.e2e.watching import quiet
from tests.e2e.world import DECIDING, World, made

AWAY = 10.0
"""Seconds."""
HOT = 200
"""More lines than that in an outage of so many seconds, and a service runs hot."""


@asynccontextmanager
async def without(servers: Servers, name: Literal["kafka", "postgres", "s3"]) -> AsyncIterator[None]:
    """While this server is away."""
    await asyncio.to_thread(servers.kill, name)
    try:
        yield
    finally:
        await asyncio.to_thread(servers.start, name)


@contextmanager
def loaded(world: World, files: Path) -> Iterator[tuple[Load, asyncio.Task[None]]]:
    load = Load(world, files, rate=15, models=10)
    task = asyncio.create_task(load.run())
    try:
        yield load, task
    finally:
        load.enough.set()


async def told(world: World) -> str:
    return (await asyncio.to_thread(world.running["all"].ready))[1]


async def is_said(world: World, sentence: str) -> bool:
    return sentence in await told(world)


@pytest.mark.parametrize("name", ["postgres", "s3"])
async def test_an_outage_is_told_and_waited_out(
    servers: Servers, tmp_path: Path, name: Literal["postgres", "s3"]
) -> None:
    async with made(servers.addresses, tmp_path) as world:
        world.start("all")
        await world.ready("all")
        with loaded(world, tmp_path) as (load, task):
            await world.grows("model.promoted")
            sent, lines = len(load.sent), len(world.running["all"].lines())
            async with without(servers, name):
                if name == "postgres":
                    for one in DECIDING:
                        await until(partial(is_said, world, f"{one}: not ready"), f"{one} not ready", 15)
                    assert "Postgres does not answer" in await told(world)
                await until(lambda: _reached(load, sent + AWAY * load.rate), "messages during the outage", 30)
                said = [line for line in world.running["all"].lines()[lines:] if "event" in line]
            assert len(said) < HOT, said[:3]
            await world.grows("model.promoted")
        await task
        await quiet(world)
        await world.ready("all")
        await check(world, load.sent, load.garbage)
        assert not [line for line in world.running["all"].lines() if line.get("event") == "defect"]


async def _reached(load: Load, many: float) -> bool:
    return len(load.sent) >= many


async def test_services_that_start_before_kafka_wait_for_it_and_end_when_told(servers: Servers, tmp_path: Path) -> None:
    async with made(servers.addresses, tmp_path) as world:
        async with without(servers, "kafka"):
            world.start("all", "all-2")
            for one in DECIDING:
                await until(partial(is_said, world, f"{one}: not ready, Kafka does not answer"), f"{one} not ready", 30)
            assert len(world.running["all"].lines()) < HOT
            assert await asyncio.to_thread(world.running["all-2"].stop) < 30
        await world.ready("all")
        with loaded(world, tmp_path) as (load, task):
            await world.grows("model.promoted", 20)
        await task
        await quiet(world)
        await check(world, load.sent, load.garbage)


async def test_services_that_start_before_setup_say_a_sentence_and_work_after_it(
    servers: Servers, tmp_path: Path
) -> None:
    world = World(servers.addresses, tmp_path)
    await world.create()
    world.start("ingestion", "relay")
    try:
        await until(lambda: _waiting(world), "a sentence from both", 30)
        await world.set_up()
        for one in world.running.values():
            assert len(one.lines()) < 20
            assert not [line for line in one.lines() if "text" in line], "a traceback"
        await world.ready("ingestion", "relay")
        with loaded(world, tmp_path) as (_, task):
            await world.grows("model.registered", 20)
        await task
    finally:
        await world.kill(*world.running)


async def _waiting(world: World) -> bool:
    return all(one.mentions("operations") for one in world.running.values())
