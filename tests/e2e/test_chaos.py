"""kill -9 of everything under load, one after the other: nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Literal

from stack import Servers
from tests.e2e.cluster import EVERY, Cluster, new_cluster
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.process import until
from tests.e2e.watching import quiet

MODELS = 2_000


async def test_nothing_is_lost_or_doubled_when_everything_dies_in_turn(servers: Servers, tmp_path: Path) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start(*EVERY)
        await cluster.ready(*EVERY)
        load = Load(cluster, tmp_path, rate=30)
        loading = asyncio.create_task(load.run())
        try:
            await cluster.grows("model.promoted")
            await kill_services(cluster)
            await kill_server(cluster, servers, "kafka")
            await kill_server(cluster, servers, "postgres")
            await until(lambda: _sent(load), f"{MODELS} runs", 120, every=0.5)
        finally:
            load.enough.set()
            await loading
        await quiet(cluster)
        await cluster.ready(*EVERY)
        await check(cluster, load.sent, load.garbage)
        assert load.trained() >= MODELS
        assert len({event.model for event in load.sent.values()}) >= 50
        assert not [line for one in cluster.running.values() for line in one.lines() if line.get("event") == "defect"]


async def kill_services(cluster: Cluster) -> None:
    """Those at the end of the chain first, so that the others have work when their turn comes."""
    victims = ("views", "relay", "retirement", "retraining", "promotion", "validation", "ingestion")
    for title in victims:
        await cluster.kill(title)
        cluster.start(title)
        await until(partial(told_where, cluster, title), f"{title} started anew")
    await cluster.ready(*victims)
    for kind in ("model.registered", "model.validated", "model.promoted"):
        await cluster.grows(kind)


async def told_where(cluster: Cluster, title: str) -> bool:
    return cluster.running[title].health is not None


async def kill_server(cluster: Cluster, servers: Servers, name: Literal["kafka", "postgres"]) -> None:
    await asyncio.to_thread(servers.kill, name)
    await asyncio.to_thread(servers.start, name)
    for kind in ("model.registered", "model.promoted", "drift.recorded"):
        await cluster.grows(kind)


async def _sent(load: Load) -> bool:
    return load.trained() >= MODELS
