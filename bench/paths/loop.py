"""From a run that was trained to the promotion that a subscriber hears of, through every service and the relay."""

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

from bench.clock import percentile, until
from bench.cores import Cores
from bench.events import trained
from bench.hops import Heard, Sent, Took, hops
from bench.kafka import batches, consuming, producing, records
from bench.loading import META
from bench.paths.append import ONE
from bench.paths.reports import uploaded
from bench.place import Place
from bench.row import Row
from bench.runner import Bench
from bench.services import serving

SERVICES = ("ingestion", "validation", "promotion", "relay")
HOPS, APPENDS = 4, 3
WARM_UP = 50
UNHEARD = ("drift.detected", "retirement.requested")
"""Topics that none of these services reads: on them the floor of each rate is measured."""
FINAL = (ModelPromoted, PromotionRefused, ModelRejected, RegistrationRefused)
AIMS: dict[int, tuple[float | None, float | None, float | None]] = {50: (30, 120, 8), 500: (None, 400, None)}
"""Milliseconds for each rate: p50, p99, and the median of the slowest hop."""


async def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    async with bench.place() as place:
        floors = {
            rate: await _floor(place, rate, topic) for rate, topic in zip(bench.scale.loop_rates, UNHEARD, strict=False)
        }
        artifact = await asyncio.to_thread(uploaded, place)
        async with serving(place, *SERVICES), _registry(place) as registry, _hearing(registry) as heard:
            await _looped(registry, heard, _runs("warm", WARM_UP, artifact), 25)
            for rate, floor in floors.items():
                count = round(rate * bench.scale.loop_seconds)
                for name, tag in (("one model each", f"each-{rate}"), ("all one model", "")):
                    bench.say(f"loop: {count:,} runs at {rate}/s, {name}")
                    runs = _runs(tag, count, artifact) if tag else _runs_of_one(f"one-{rate}", count, artifact)
                    cores = Cores()
                    sent, answers = await _looped(registry, heard, runs, rate)
                    took = await hops(place, sent, answers)
                    ends = Counter(message.event.type for _, _, message in answers)
                    note = f"{', '.join(f'{n:,} {kind}' for kind, n in ends.items())}; {cores.told()}"
                    rows += _rows(f"trained → promoted, {rate}/s, {name}", rate, took, floor, note)
    return rows


def _runs(tag: str, count: int, artifact: Artifact) -> list[ModelTrained]:
    return [trained(f"{tag}-{n}", "run-1", artifact) for n in range(count)]


def _runs_of_one(model: str, count: int, artifact: Artifact) -> list[ModelTrained]:
    return [trained(model, f"run-{n}", artifact) for n in range(count)]


def _rows(name: str, rate: int, took: Took, floor: Sequence[float], note: str) -> list[Row]:
    aims = AIMS.get(rate, (None, None, None))
    told = f"floor: {HOPS} round trips of aiokafka and {APPENDS} bare inserts; {took.told}"
    p50, p99 = (percentile(took.whole, share) for share in (0.5, 0.99))
    rows = [
        Row(f"{name}, p50", "ms", p50, percentile(floor, 0.5), aims[0], note=note),
        Row(f"{name}, p99", "ms", p99, percentile(floor, 0.99), aims[1], note=told, detail=took.medians),
    ]
    if took.medians:
        rows.append(Row(f"{name}, slowest hop p50", "ms", took.slowest[1], None, aims[2], note=took.slowest[0]))
    return rows


def _registry(place: Place) -> Registry:
    return Registry(place.settings.kafka_servers, prefix=place.settings.topic_prefix, source="/bench")


@asynccontextmanager
async def _hearing(registry: Registry) -> AsyncIterator[Heard]:
    """Every final answer, as it comes."""
    heard: Heard = []

    async def hear() -> None:
        async for message in registry.subscribe(*FINAL, group=None):
            heard.append((time.perf_counter(), time.time(), message))

    task = asyncio.create_task(hear())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _looped(registry: Registry, heard: Heard, runs: Sequence[ModelTrained], rate: float) -> tuple[Sent, Heard]:
    """Publish at this rate, whether or not the answers keep up, until every run has its final answer."""
    before = len(heard)
    sent = await _paced(registry, runs, rate)
    await until(lambda: len(heard), before + len(runs))
    return sent, heard[before:]


async def _paced(registry: Registry, runs: Sequence[ModelTrained], rate: float) -> Sent:
    """When each run was about to be sent."""
    sent: Sent = {}
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n, run in enumerate(runs):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            sent[run.model, run.run] = time.perf_counter(), time.time()
            group.create_task(registry.publish(run))
    return sent


async def _floor(place: Place, rate: int, topic: str) -> list[float]:
    """Milliseconds of as many round trips and inserts as the loop has, drawn from those of bare drivers."""
    trips, inserts = await _trips(place, rate, rate * 5, topic), await _inserts(place, 300)
    dice = random.Random(1)
    return [sum(dice.choices(trips, k=HOPS)) + sum(dice.choices(inserts, k=APPENDS)) for _ in range(20_000)]


async def _trips(place: Place, rate: int, count: int, topic: str) -> list[float]:
    """From just before a send until the consumer has it, at this rate; the first ones warm up."""
    sending = list(records(place, (trained("floor", f"run-{n}") for n in range(count))))
    sent, trips = dict[bytes, float](), list[float]()
    async with producing(place) as producer, consuming(place, topic) as consumer:

        async def hear() -> None:
            async for batch in batches(consumer, count):
                trips.extend((time.perf_counter() - sent[record.key]) * 1000 for record in batch)

        hearing = asyncio.create_task(hear())
        began = time.perf_counter()
        for n, (_, _, value, headers) in enumerate(sending):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            key = str(n).encode()
            sent[key] = time.perf_counter()
            await producer.send(place.settings.topic_prefix + topic, value, key=key, headers=headers)
        await hearing
    return trips[count // 5 :]


async def _inserts(place: Place, count: int) -> list[float]:
    data, inserts = trained("floor", "run-1").model_dump_json(), list[float]()
    async with place.owner() as pool:
        for n in range(count):
            began = time.perf_counter()
            await pool.execute(ONE, "floor", n + 1, "model.registered", uuid.uuid4(), data, META)
            inserts.append((time.perf_counter() - began) * 1000)
    return inserts
