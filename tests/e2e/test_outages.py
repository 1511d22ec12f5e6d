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
from tests.e2e.cluster import DECIDING, Cluster, new_cluster
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.process import until
from tests.e2e.watching import quiet

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
def loaded(cluster: Cluster, files: Path) -> Iterator[tuple[Load, asyncio.Task[None]]]:
    load = Load(cluster, files, rate=15, models=10)
    task = asyncio.create_task(load.run())
    try:
        yield load, task
    finally:
        load.enough.set()


async def told(cluster: Cluster) -> str:
    return (await asyncio.to_thread(cluster.running["all"].ready))[1]


async def is_said(cluster: Cluster, sentence: str) -> bool:
    return sentence in await told(cluster)


@pytest.mark.parametrize("name", ["postgres", "s3"])
async def test_an_outage_is_told_and_waited_out(
    servers: Servers, tmp_path: Path, name: Literal["postgres", "s3"]
) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start("all")
        await cluster.ready("all")
        with loaded(cluster, tmp_path) as (load, task):
            await cluster.grows("model.promoted")
            sent, lines = len(load.sent), len(cluster.running["all"].lines())
            async with without(servers, name):
                if name == "postgres":
                    for one in DECIDING:
                        await until(partial(is_said, cluster, f"{one}: not ready"), f"{one} not ready", 15)
                    assert "Postgres does not answer" in await told(cluster)
                await until(lambda: _reached(load, sent + AWAY * load.rate), "messages during the outage", 30)
                said = [line for line in cluster.running["all"].lines()[lines:] if "event" in line]
            assert len(said) < HOT, said[:3]
            await cluster.grows("model.promoted")
        await task
        await quiet(cluster)
        await cluster.ready("all")
        await check(cluster, load.sent, load.garbage)
        assert not [line for line in cluster.running["all"].lines() if line.get("event") == "defect"]


async def _reached(load: Load, many: float) -> bool:
    return len(load.sent) >= many


async def test_services_that_start_before_kafka_wait_for_it_and_end_when_told(servers: Servers, tmp_path: Path) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        async with without(servers, "kafka"):
            cluster.start("all", "all-2")
            for one in DECIDING:
                await until(
                    partial(is_said, cluster, f"{one}: not ready, Kafka does not answer"), f"{one} not ready", 30
                )
            assert len(cluster.running["all"].lines()) < HOT
            assert await asyncio.to_thread(cluster.running["all-2"].stop) < 30
        await cluster.ready("all")
        with loaded(cluster, tmp_path) as (load, task):
            await cluster.grows("model.promoted", 20)
        await task
        await quiet(cluster)
        await check(cluster, load.sent, load.garbage)


async def test_services_that_start_before_setup_say_a_sentence_and_work_after_it(
    servers: Servers, tmp_path: Path
) -> None:
    cluster = Cluster(servers.addresses, tmp_path)
    await cluster.create()
    cluster.start("ingestion", "relay")
    try:
        await until(lambda: _waiting(cluster), "a sentence from both", 30)
        await cluster.set_up()
        for one in cluster.running.values():
            assert len(one.lines()) < 20
            assert not [line for line in one.lines() if "text" in line], "a traceback"
        await cluster.ready("ingestion", "relay")
        with loaded(cluster, tmp_path) as (_, task):
            await cluster.grows("model.registered", 20)
        await task
    finally:
        await cluster.kill(*cluster.running)


async def _waiting(cluster: Cluster) -> bool:
    return all(one.mentions("operations") for one in cluster.running.values())
