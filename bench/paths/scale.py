"""The reports of drift again, answered by one, two and four instances of their service."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack

from bench.clock import drawn
from bench.cores import Cores, described
from bench.kafka import producing, records, send_all
from bench.loading import copy, logged
from bench.loading import rows as templates
from bench.paths.reports import NAMES, monitored
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from stack.disposable import Sandbox

INSTANCES = (1, 2, 4)
ANSWERS = 2
TAIL_SHARE = 0.1
"""The share at the end that is not counted: there some instances have no work left."""


async def measure(bench: Bench) -> list[Row]:
    """A row for each number of instances, beside the first row; the note shows who uses the cores."""
    rows: list[Row] = []
    if not bench.scale.scaled_reports:
        bench.progress("scale: left out with --quick")
        return rows
    for instances in INSTANCES:
        async with bench.sandbox() as sandbox:
            await copy(sandbox, list(templates(NAMES, 3)), 1)
            speed, used = await _answered(bench, sandbox, instances)
        note = f"{described(used)} of {os.cpu_count()}" + ("; floor: one instance" if rows else "")
        name = f"drift.detected logged, {instances} instance{'s' if instances > 1 else ''}"
        rows.append(Row(name, "reports/s", speed, rows[0].ours if rows else None, note=note, detail=used))
    return rows


async def _answered(bench: Bench, sandbox: Sandbox, instances: int) -> tuple[float, dict[str, float]]:
    """Reports a second and cores of each role, from when all instances are ready until 90 % is answered."""
    count = bench.scale.scaled_reports
    async with producing(sandbox) as producer:
        await send_all(producer, records(sandbox, monitored(count)))
    bench.progress(f"scale: {count:,} drift.detected are on the topic, for {instances} of retraining")
    async with sandbox.owner() as pool, AsyncExitStack() as stack:
        last = await logged(pool) + round(count * ANSWERS * (1 - TAIL_SHARE))
        await asyncio.gather(*(stack.enter_async_context(serving(sandbox, "retraining")) for _ in range(instances)))
        cores, began, before = Cores(), time.perf_counter(), await logged(pool)
        curve = await drawn(lambda: logged(pool), last, since=before)
        used = cores.used()
    ended, position = curve.seen[-1]
    return (position - before) / ANSWERS / (ended - began), used
