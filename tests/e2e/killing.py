"""kill -9 of every process in turn, under load: each time the registry goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from stack import Servers
from stack.waiting import until
from tests.e2e.cluster import Cluster
from tests.e2e.installation import EVERY_SERVICE


async def kill_services(cluster: Cluster, titles: Sequence[str] = EVERY_SERVICE) -> None:
    """Kill each and start it again; return when all are ready, and facts of every step are added."""
    for title in titles:
        await cluster.kill(title)
        cluster.start(title)

        async def started(title: str = title) -> bool:
            return cluster.running[title].health is not None

        await until(started, f"{title} started again", seconds=60)
    await cluster.ready(*titles)
    for kind in ("model.registered", "model.validated", "model.promoted"):
        await cluster.grows(kind)


async def kill_server(cluster: Cluster, servers: Servers, name: Literal["kafka", "postgres", "s3"]) -> None:
    """Kill a server and start it again; return when facts of every kind of message are added."""
    await asyncio.to_thread(servers.kill, name)
    await asyncio.to_thread(servers.start, name)
    for kind in ("model.registered", "model.promoted", "drift.recorded"):
        await cluster.grows(kind)
