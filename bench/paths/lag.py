"""From an append's commit until the views show it, at a thousand facts a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.clock import drawn, median, percentile, watched
from bench.cores import Cores
from bench.loading import appends, load
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from services.views.engine.definition import NAMES
from shared.log import Append, Log
from shared.log.view_cursors import wait_until

FACTS_PER_SECOND, FACTS_PER_APPEND, MODELS = 1_000, 5, 400
SHOWN = "select coalesce(min(position), 0) from registry.cursor"
SETTLED = "select least(log.settled(), (select max(position) from log.event))"
AIM_MS = 10


async def measure(bench: Bench) -> list[Row]:
    facts = round(FACTS_PER_SECOND * bench.scale.lag_seconds)
    async with bench.sandbox() as sandbox, await sandbox.service(6) as pool:
        await load(sandbox, 40_000)
        log = Log(pool)
        await log.settled()

        async def ask(sql: str) -> int:
            return int(await pool.fetchval(sql))

        before, meanwhile = _appends("bare", facts), _appends("shown", facts)
        bench.progress(f"lag: {facts:,} facts at {FACTS_PER_SECOND:,}/s, seen by a bare poll")
        bare, _ = await _lags(log, before, lambda: ask(SETTLED))
        async with serving(sandbox, "views"):
            await wait_until(pool, NAMES, await log.settled(), 30)
            bench.progress("lag: the same, seen in the views")
            cores = Cores()
            shown, rate = await _lags(log, meanwhile, lambda: ask(SHOWN))
            used = cores.described()
    pace = f"{rate:,.0f} facts/s in appends of {FACTS_PER_APPEND}, read each ms"
    note = f"{pace}; {used}; floor: a bare poll of the settled log"
    return [
        Row("views' lag, p50", "ms", median(shown), median(bare), note=note),
        Row("views' lag, p99", "ms", percentile(shown, 0.99), percentile(bare, 0.99), AIM_MS),
    ]


def _appends(tag: str, facts: int) -> list[list[Append]]:
    """Histories of many models, a few facts of different models in an append."""
    single = list(appends([f"{tag}-{n}" for n in range(MODELS)], -(-facts // MODELS)))
    return [single[n : n + FACTS_PER_APPEND] for n in range(0, facts, FACTS_PER_APPEND)]


async def _lags(
    log: Log, waiting: Sequence[list[Append]], ask: Callable[[], Awaitable[int]]
) -> tuple[list[float], float]:
    """Milliseconds from each commit until `ask` returns it, and the facts a second that were appended."""
    committed: list[tuple[float, int]] = []
    async with watched(ask) as curve:
        began = time.perf_counter()
        for n, batch in enumerate(waiting):
            await asyncio.sleep(max(0.0, began + n * FACTS_PER_APPEND / FACTS_PER_SECOND - time.perf_counter()))
            heads = await log.append(batch)
            committed.append((time.perf_counter(), max(head.position for head in heads.values())))
        rate = len(waiting) * FACTS_PER_APPEND / (time.perf_counter() - began)
        await drawn(curve.latest, committed[-1][1], every=0.001)
    return [max(0.0, curve.reached(position) - at) * 1000 for at, position in committed], rate
