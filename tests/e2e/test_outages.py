"""Servers that are away for a while: services are not ready, wait, lose nothing and do not fill their logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal

import psutil
import pytest

from stack import Servers
from stack.waiting import until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.installation import DECIDING
from tests.e2e.invariants import check
from tests.e2e.load import running_load
from tests.e2e.watching import wait_until_idle

OUTAGE_SECONDS = 10.0
KILLED_AFTER_SECONDS = 60.0
"""A process that has not ended by itself is killed then, as in compose.yaml."""
MAX_LOG_LINES = 200
"""A process that logs more lines in an outage tries again too often."""


@asynccontextmanager
async def outage(servers: Servers, name: Literal["kafka", "postgres", "s3"]) -> AsyncIterator[None]:
    """The server is killed, and started again at the end of the block."""
    await asyncio.to_thread(servers.kill, name)
    try:
        yield
    finally:
        await asyncio.to_thread(servers.start, name)


async def wait_until_not_ready(cluster: Cluster, service: str, server: str) -> None:
    """Wait until /readyz of the process `all` shows that this service is not ready, and names the server."""

    async def not_ready() -> bool:
        state = (await asyncio.to_thread(cluster.running["all"].components)).get(service)
        return state is not None and not state["ready"] and server in state["detail"]

    await until(not_ready, f"{service} not ready because of {server}", seconds=30)


@pytest.mark.parametrize("name", ["postgres", "s3"])
async def test_an_outage_shows_in_readyz_and_loses_nothing(
    servers: Servers, tmp_path: Path, name: Literal["postgres", "s3"]
) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start("all")
        await cluster.ready("all")
        process = cluster.running["all"]
        async with running_load(cluster, tmp_path, rate=15, models=10) as load:
            await cluster.grows("model.promoted")
            sent, lines = len(load.sent), len(process.lines())

            async def enough() -> bool:
                return len(load.sent) >= sent + OUTAGE_SECONDS * load.rate

            async with outage(servers, name):
                if name == "postgres":
                    for service in DECIDING:
                        await wait_until_not_ready(cluster, service, "Postgres")
                await until(enough, "messages during the outage", seconds=30)
                logged = [line for line in process.lines()[lines:] if "event" in line]
            assert len(logged) < MAX_LOG_LINES, logged[:3]
            await cluster.grows("model.promoted")
        await wait_until_idle(cluster)
        await cluster.ready("all")
        await check(cluster, load)
        assert not cluster.bugs()


async def test_services_that_start_before_kafka_wait_for_it_and_can_be_stopped(
    servers: Servers, tmp_path: Path
) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        async with outage(servers, "kafka"):
            cluster.start("all", "all-2")
            for service in DECIDING:
                await wait_until_not_ready(cluster, service, "Kafka")
            assert len(cluster.running["all"].lines()) < MAX_LOG_LINES
            assert await asyncio.to_thread(cluster.running["all-2"].stop) < 30
        await cluster.ready("all")
        async with running_load(cluster, tmp_path, rate=15, models=10) as load:
            await cluster.grows("model.promoted", 20)
        await wait_until_idle(cluster)
        await check(cluster, load)


@asynccontextmanager
async def without_kafka(servers: Servers) -> AsyncIterator[None]:
    """What services have answered cannot be committed then."""
    async with outage(servers, "kafka"):
        yield


@asynccontextmanager
async def with_a_silent_postgres(servers: Servers) -> AsyncIterator[None]:
    """As after a power cut: nothing answers, and no connection ends."""
    process = psutil.Process(servers.pid("postgres"))
    stopped = [process, *process.children(recursive=True)]
    for each in stopped:
        each.suspend()
    try:
        yield
    finally:
        for each in stopped:
            each.resume()


@pytest.mark.parametrize("trouble", [without_kafka, with_a_silent_postgres])
async def test_services_that_are_stopped_in_an_outage_end_by_themselves_and_lose_nothing(
    servers: Servers, tmp_path: Path, trouble: Callable[[Servers], AbstractAsyncContextManager[None]]
) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start("all")
        await cluster.ready("all")
        async with running_load(cluster, tmp_path, rate=30, models=10) as load:
            await cluster.grows("model.promoted", 20)
            async with trouble(servers):
                assert await asyncio.to_thread(cluster.running["all"].stop) < KILLED_AFTER_SECONDS
            cluster.start("all")
            await cluster.ready("all")
            await cluster.grows("model.promoted")
        await wait_until_idle(cluster)
        await check(cluster, load)
        assert not cluster.bugs()


async def test_services_that_start_before_setup_log_the_reason_and_work_after_it(
    servers: Servers, tmp_path: Path
) -> None:
    async with new_cluster(servers.addresses, tmp_path, set_up=False) as cluster:
        cluster.start("ingestion", "relay")

        async def waiting() -> bool:
            return all(process.mentions("operations") for process in cluster.running.values())

        await until(waiting, "a sentence from both", seconds=30)
        await cluster.sandbox.set_up()
        for process in cluster.running.values():
            assert len(process.lines()) < 20
            assert not [line for line in process.lines() if "text" in line], "a traceback"
        await cluster.ready("ingestion", "relay")
        async with running_load(cluster, tmp_path, rate=15, models=10):
            await cluster.grows("model.registered", 20)
