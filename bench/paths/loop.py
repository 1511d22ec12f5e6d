"""From a run that was trained to the promotion that a subscriber receives, through every service and the relay."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from modelog import Registry
from modelog.values import Artifact

from bench.clock import percentile
from bench.cores import Cores
from bench.events import trained
from bench.hops import Received, Took, hops
from bench.kafka import batches, consuming, producing, records
from bench.loading import META
from bench.looping import looped, open_registry, receiving, runs_of_each, runs_of_one
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
EACH, ONE = "one model each", "all one model"
AIM_TIMES_FLOOR = {50: 1.3}
"""For each rate: how many times the floor the p50 may be."""
AIMS_P50: dict[tuple[int, str], float] = {(500, EACH): 70, (500, ONE): 80}
AIMS_P99, AIMS_HOP = {50: 120, 500: 200}, {50: 8}
"""Milliseconds."""
AIM_TIMES_ONE_PROCESS = 2.0
"""How many times the p50 and p99 of a single process those of a process for each service may be."""


async def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    async with bench.sandbox() as sandbox:
        floors = {
            rate: await _floor(sandbox, rate, topic)
            for rate, topic in zip(bench.scale.loop_rates, UNREAD, strict=False)
        }
        took: dict[tuple[int, str], Took] = {}
        async with open_registry(sandbox) as registry, receiving(registry) as received:
            client = Client(bench, sandbox, await asyncio.to_thread(uploaded, sandbox), registry, received)
            async with serving(sandbox, *SERVICES):
                for rate, floor in floors.items():
                    for shape in (EACH, ONE):
                        took[rate, shape], note = await client.loop(rate, shape, "together")
                        rows += _rows(rate, shape, took[rate, shape], floor, note)
            rate = max(floors)
            async with AsyncExitStack() as apart:
                await asyncio.gather(*(apart.enter_async_context(serving(sandbox, name)) for name in SERVICES))
                for shape in (EACH, ONE):
                    slower, note = await client.loop(rate, shape, "apart")
                    rows += _rows_apart(rate, shape, slower, took[rate, shape], note)
    return rows


@dataclass(frozen=True)
class Client:
    """A pipeline that publishes runs of this artifact, and a subscriber to their final answers."""

    bench: Bench
    sandbox: Sandbox
    artifact: Artifact
    registry: Registry
    received: Received

    async def loop(self, rate: int, shape: str, tag: str) -> tuple[Took, str]:
        """The times of the runs, and a note with their answers and the cores that were used."""
        count, name = round(rate * self.bench.scale.loop_seconds), f"{tag}-{shape[:3]}-{rate}"
        self.bench.progress(f"loop: {count:,} runs at {rate}/s, {shape}, services {tag}")
        await looped(self.registry, self.received, runs_of_each(f"warm-{name}", WARM_UP_RUNS, self.artifact), 25)
        make_runs = runs_of_each if shape == EACH else runs_of_one
        cores = Cores()
        sent, answers = await looped(self.registry, self.received, make_runs(name, count, self.artifact), rate)
        ends = Counter(message.event.type for _, _, message in answers)
        note = f"{', '.join(f'{n:,} {kind}' for kind, n in ends.items())}; {cores.described()}"
        return await hops(self.sandbox, sent, answers), note


def _rows(rate: int, shape: str, took: Took, floor: Sequence[float], note: str) -> list[Row]:
    name, hops_note = (
        f"trained → promoted, {rate}/s, {shape}",
        f"floor: {HOPS} round trips of aiokafka and {APPENDS} bare inserts; {took.described}",
    )
    (p50, p99), (floor_p50, floor_p99) = (_both(times) for times in (took.whole, floor))
    aim = AIM_TIMES_FLOOR[rate] * floor_p50 if rate in AIM_TIMES_FLOOR else AIMS_P50.get((rate, shape))
    rows = [
        Row(f"{name}, p50", "ms", p50, floor_p50, aim, note=note),
        Row(f"{name}, p99", "ms", p99, floor_p99, AIMS_P99.get(rate), note=hops_note, detail=took.medians),
    ]
    if took.medians:
        hop, ms = took.slowest
        rows.append(Row(f"{name}, slowest hop p50", "ms", ms, None, AIMS_HOP.get(rate), note=hop))
    return rows


def _rows_apart(rate: int, shape: str, took: Took, together: Took, note: str) -> list[Row]:
    name = f"trained → promoted, {rate}/s, {shape}, a process for each service"
    return [
        Row(
            f"{name}, {share}",
            "ms",
            ours,
            floor,
            AIM_TIMES_ONE_PROCESS * floor,
            note=f"{note}; floor: a single process",
        )
        for share, ours, floor in zip(("p50", "p99"), _both(took.whole), _both(together.whole), strict=True)
    ]


def _both(times: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    return percentile(times, 0.5), percentile(times, 0.99)


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
