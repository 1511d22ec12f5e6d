"""kill -9 of everything under load, one after the other: nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Literal

from stack import Servers
from tests.e2e.load import Load
from tests.e2e.process import until
from tests.e2e.truth import check
from tests.e2e.watching import quiet
from tests.e2e.world import EVERY, World, made

MODELS = 2_000


async def test_nothing_is_lost_or_doubled_when_everything_dies_in_turn(servers: Servers, tmp_path: Path) -> None:
    async with made(servers.addresses, tmp_path) as world:
        world.start(*EVERY)
        await world.ready(*EVERY)
        load = Load(world, tmp_path, rate=30)
        loading = asyncio.create_task(load.run())
        try:
            await world.grows("model.promoted")
            await kill_services(world)
            await kill_server(world, servers, "kafka")
            await kill_server(world, servers, "postgres")
            await until(lambda: _sent(load), f"{MODELS} runs", 120, every=0.5)
        finally:
            load.enough.set()
            await loading
        await quiet(world)
        await world.ready(*EVERY)
        await check(world, load.sent, load.garbage)
        assert load.trained() >= MODELS
        assert len({event.model for event in load.sent.values()}) >= 50
        assert not [line for one in world.running.values() for line in one.lines() if line.get("event") == "defect"]


async def kill_services(world: World) -> None:
    """Those at the end of the chain first, so that the others have work when their turn comes."""
    victims = ("views", "relay", "retirement", "retraining", "promotion", "validation", "ingestion")
    for title in victims:
        await world.kill(title)
        world.start(title)
        await until(partial(told_where, world, title), f"{title} started anew")
    await world.ready(*victims)
    for kind in ("model.registered", "model.validated", "model.promoted"):
        await world.grows(kind)


async def told_where(world: World, title: str) -> bool:
    return world.running[title].health is not None


async def kill_server(world: World, servers: Servers, name: Literal["kafka", "postgres"]) -> None:
    await asyncio.to_thread(servers.kill, name)
    await asyncio.to_thread(servers.start, name)
    for kind in ("model.registered", "model.promoted", "drift.recorded"):
        await world.grows(kind)


async def _sent(load: Load) -> bool:
    return load.trained() >= MODELS
