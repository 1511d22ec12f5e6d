"""The reports of drift again, answered by one, two and four instances of their service."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack

from bench.clock import drawn
from bench.cores import Cores, told
from bench.kafka import producing, records, send_all
from bench.loading import copy, logged
from bench.loading import told as histories
from bench.paths.reports import NAMES, monitored
from bench.place import Place
from bench.row import Row
from bench.runner import Bench
from bench.services import serving

INSTANCES = (1, 2, 4)
ANSWERS = 2
TAIL = 0.1
"""The share at the end that is not counted: there some instances have no more to do."""


async def measure(bench: Bench) -> list[Row]:
    """A row for each number of instances, beside the first; what holds them back is who uses the cores."""
    rows: list[Row] = []
    if not bench.scale.scaled_reports:
        bench.say("scale: left out where little is measured")
        return rows
    for instances in INSTANCES:
        async with bench.place() as place:
            await copy(place, list(histories(NAMES, 3)), 1)
            speed, used = await _answered(bench, place, instances)
        note = f"{told(used)} of {os.cpu_count()}" + ("; floor: one instance" if rows else "")
        name = f"drift.detected logged, {instances} instance{'s' if instances > 1 else ''}"
        rows.append(Row(name, "reports/s", speed, rows[0].ours if rows else None, note=note, detail=used))
    return rows


async def _answered(bench: Bench, place: Place, instances: int) -> tuple[float, dict[str, float]]:
    """Reports a second and cores of each role, from when all instances are ready until most is answered."""
    count = bench.scale.scaled_reports
    async with producing(place) as producer:
        await send_all(producer, records(place, monitored(count)))
    bench.say(f"scale: {count:,} drift.detected are on the topic, for {instances} of retraining")
    async with place.owner() as pool, AsyncExitStack() as stack:
        last = await logged(pool) + round(count * ANSWERS * (1 - TAIL))
        await asyncio.gather(*(stack.enter_async_context(serving(place, "retraining")) for _ in range(instances)))
        cores, began, before = Cores(), time.perf_counter(), await logged(pool)
        curve = await drawn(lambda: logged(pool), last, since=before)
        used = cores.used()
    ended, position = curve.seen[-1]
    return (position - before) / ANSWERS / (ended - began), used
