"""Runs that are published at a rate, and the final answers that a subscriber receives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from modelog import ModelPromoted, ModelRejected, PromotionRefused, RegistrationRefused, Registry
from modelog.events import ModelTrained
from modelog.values import Artifact

from bench.clock import drawn
from bench.events import trained
from bench.hops import Received, Sent
from stack.disposable import Sandbox

FINAL = (ModelPromoted, PromotionRefused, ModelRejected, RegistrationRefused)


def runs_of_each(tag: str, count: int, artifact: Artifact) -> list[ModelTrained]:
    """A run of each of `count` models."""
    return [trained(f"{tag}-{n}", "run-1", artifact) for n in range(count)]


def runs_of_one(model: str, count: int, artifact: Artifact) -> list[ModelTrained]:
    """`count` runs of a model."""
    return [trained(model, f"run-{n}", artifact) for n in range(count)]


def open_registry(sandbox: Sandbox) -> Registry:
    """A client of this registry."""
    return Registry(sandbox.settings.kafka_servers, prefix=sandbox.settings.topic_prefix, source="/bench")


@asynccontextmanager
async def receiving(registry: Registry) -> AsyncIterator[Received]:
    """Every final answer, as it comes."""
    received: Received = []

    async def receive() -> None:
        async for message in registry.subscribe(*FINAL, group=None):
            received.append((time.perf_counter(), time.time(), message))

    task = asyncio.create_task(receive())
    try:
        yield received
    finally:
        task.cancel()
        await asyncio.wait([task])


async def looped(
    registry: Registry, received: Received, runs: Sequence[ModelTrained], rate: float
) -> tuple[Sent, Received]:
    """Publish at this rate, however slow the answers are, until every run has its final answer."""
    before = len(received)

    async def count() -> int:
        return len(received)

    sent = await paced(registry, runs, rate)
    await drawn(count, before + len(runs), every=0.005)
    return sent, received[before:]


async def paced(registry: Registry, runs: Sequence[ModelTrained], rate: float) -> Sent:
    """When each run was sent."""
    sent: Sent = {}
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n, run in enumerate(runs):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            sent[run.model, run.run] = time.perf_counter(), time.time()
            group.create_task(registry.publish(run))
    return sent
