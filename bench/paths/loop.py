"""From a run that was trained to the promotion that a subscriber receives, through every service and the relay."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from modelog import ModelPromoted, ModelRejected, PromotionRefused, RegistrationRefused, Registry
from modelog.events import ModelTrained
from modelog.values import Artifact

from bench.clock import drawn, percentile
from bench.cores import Cores
from bench.events import trained
from bench.hops import Received, Sent, Took, hops
from bench.kafka import batches, consuming, producing, records
from bench.loading import META
from bench.paths.append import INSERT_ONE
from bench.paths.reports import uploaded
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from stack.disposable import Sandbox

SERVICES = ("ingestion", "validation", "promotion", "relay")
HOPS, APPENDS = 4, 3
WARM_UP_RUNS = 50
UNREAD = ("drift.detected", "retirement.requested")
"""Topics that none of these services reads: on them the floor of each rate is measured."""
FINAL = (ModelPromoted, PromotionRefused, ModelRejected, RegistrationRefused)
AIMS: dict[int, tuple[float | None, float | None, float | None]] = {50: (30, 120, 8), 500: (None, 400, None)}
"""Milliseconds for each rate: p50, p99, and the median of the slowest hop."""


async def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    async with bench.sandbox() as sandbox:
        floors = {
            rate: await _floor(sandbox, rate, topic)
            for rate, topic in zip(bench.scale.loop_rates, UNREAD, strict=False)
        }
        artifact = await asyncio.to_thread(uploaded, sandbox)
        async with serving(sandbox, *SERVICES), _registry(sandbox) as registry, _receiving(registry) as received:
            await _looped(registry, received, _runs("warm", WARM_UP_RUNS, artifact), 25)
            for rate, floor in floors.items():
                count = round(rate * bench.scale.loop_seconds)
                for name, tag in (("one model each", f"each-{rate}"), ("all one model", "")):
                    bench.progress(f"loop: {count:,} runs at {rate}/s, {name}")
                    runs = _runs(tag, count, artifact) if tag else _runs_of_one(f"one-{rate}", count, artifact)
                    cores = Cores()
                    sent, answers = await _looped(registry, received, runs, rate)
                    took = await hops(sandbox, sent, answers)
                    ends = Counter(message.event.type for _, _, message in answers)
                    note = f"{', '.join(f'{n:,} {kind}' for kind, n in ends.items())}; {cores.described()}"
                    rows += _rows(f"trained → promoted, {rate}/s, {name}", rate, took, floor, note)
    return rows


def _runs(tag: str, count: int, artifact: Artifact) -> list[ModelTrained]:
    return [trained(f"{tag}-{n}", "run-1", artifact) for n in range(count)]


def _runs_of_one(model: str, count: int, artifact: Artifact) -> list[ModelTrained]:
    return [trained(model, f"run-{n}", artifact) for n in range(count)]


def _rows(name: str, rate: int, took: Took, floor: Sequence[float], note: str) -> list[Row]:
    aims = AIMS.get(rate, (None, None, None))
    hops_note = f"floor: {HOPS} round trips of aiokafka and {APPENDS} bare inserts; {took.described}"
    p50, p99 = (percentile(took.whole, share) for share in (0.5, 0.99))
    rows = [
        Row(f"{name}, p50", "ms", p50, percentile(floor, 0.5), aims[0], note=note),
        Row(f"{name}, p99", "ms", p99, percentile(floor, 0.99), aims[1], note=hops_note, detail=took.medians),
    ]
    if took.medians:
        rows.append(Row(f"{name}, slowest hop p50", "ms", took.slowest[1], None, aims[2], note=took.slowest[0]))
    return rows


def _registry(sandbox: Sandbox) -> Registry:
    return Registry(sandbox.settings.kafka_servers, prefix=sandbox.settings.topic_prefix, source="/bench")


@asynccontextmanager
async def _receiving(registry: Registry) -> AsyncIterator[Received]:
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


async def _looped(
    registry: Registry, received: Received, runs: Sequence[ModelTrained], rate: float
) -> tuple[Sent, Received]:
    """Publish at this rate, however slow the answers are, until every run has its final answer."""
    before = len(received)

    async def count() -> int:
        return len(received)

    sent = await _paced(registry, runs, rate)
    await drawn(count, before + len(runs), every=0.005)
    return sent, received[before:]


async def _paced(registry: Registry, runs: Sequence[ModelTrained], rate: float) -> Sent:
    """When each run was sent."""
    sent: Sent = {}
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n, run in enumerate(runs):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            sent[run.model, run.run] = time.perf_counter(), time.time()
            group.create_task(registry.publish(run))
    return sent


async def _floor(sandbox: Sandbox, rate: int, topic: str) -> list[float]:
    """Milliseconds of as many round trips and inserts as the loop has, drawn at random from those of bare drivers."""
    trips, inserts = await _trips(sandbox, rate, rate * 5, topic), await _inserts(sandbox, 300)
    dice = random.Random(1)
    return [sum(dice.choices(trips, k=HOPS)) + sum(dice.choices(inserts, k=APPENDS)) for _ in range(20_000)]


async def _trips(sandbox: Sandbox, rate: int, count: int, topic: str) -> list[float]:
    """Milliseconds from a send until the consumer has the record, at this rate; the first fifth is a warm-up."""
    sending = list(records(sandbox, (trained("floor", f"run-{n}") for n in range(count))))
    sent, trips = dict[bytes, float](), list[float]()
    async with producing(sandbox) as producer, consuming(sandbox, topic) as consumer:

        async def receive() -> None:
            async for batch in batches(consumer, count):
                trips.extend((time.perf_counter() - sent[record.key]) * 1000 for record in batch)

        receiving = asyncio.create_task(receive())
        began = time.perf_counter()
        for n, (_, _, value, headers) in enumerate(sending):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            key = str(n).encode()
            sent[key] = time.perf_counter()
            await producer.send(sandbox.settings.topic_prefix + topic, value, key=key, headers=headers)
        await receiving
    return trips[count // 5 :]


async def _inserts(sandbox: Sandbox, count: int) -> list[float]:
    data, inserts = trained("floor", "run-1").model_dump_json(), list[float]()
    async with sandbox.owner() as pool:
        for n in range(count):
            began = time.perf_counter()
            await pool.execute(INSERT_ONE, "floor", n + 1, "model.registered", uuid.uuid4(), data, META)
            inserts.append((time.perf_counter() - began) * 1000)
    return inserts
