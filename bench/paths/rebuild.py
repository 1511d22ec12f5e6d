"""Every view, built again from the log, proven equal and swapped."""

from __future__ import annotations

import time

import asyncpg

from bench.cores import Cores, each
from bench.loading import load, logged
from bench.row import Row
from bench.runner import Bench
from services.views.definition import VIEWS
from services.views.rebuild import Report, rebuild

TOUCH = """
select count(*), count(data ->> 'model'), count(data ->> 'version'), count(data ->> 'stage'), count(data ->> 'run')
  from log.event
 where position <= $1
"""
AIM, NEXT = 100_000, 150_000


async def measure(bench: Bench) -> list[Row]:
    async with bench.place() as place, place.owner() as owner:
        began = time.perf_counter()
        await load(place, bench.scale.rebuild_facts)
        facts = await logged(owner)
        bench.say(f"rebuild: {facts:,} facts are logged, in {time.perf_counter() - began:.0f} s")
        async with await place.service() as pool:
            await rebuild(pool, VIEWS)
            floor = facts / min([await _touched(owner, facts) for _ in range(3)])
            bench.say(f"rebuild: Postgres touches {floor:,.0f} facts/s; now the views, beside those in use")
            cores, began = Cores(), time.perf_counter()
            reports = await rebuild(pool, VIEWS)
            whole = time.perf_counter() - began
            told = each(cores.used(), facts / whole)
        assert all(report.equal for report in reports), reports
    seconds = sum(report.seconds for report in reports)
    note = f"{facts:,} facts, {len(reports)} views one after another; {told}; floor: count(*) and 4 keys"
    return [
        Row("rebuild, all views", "facts/s", facts / seconds, floor, AIM, NEXT, note),
        Row("rebuild, all views, proven, swapped", "facts/s", facts / whole, floor),
        *(Row(f"rebuild, {one.view}", "facts/s", one.speed, floor, note=_note(one)) for one in reports),
    ]


def _note(report: Report) -> str:
    swapped = f", swapped in {report.swapped * 1000:.1f} ms" if report.swapped is not None else ""
    return f"{report.digest.rows:,} rows in {report.seconds:.2f} s{swapped}"


async def _touched(pool: asyncpg.Pool, facts: int) -> float:
    began = time.perf_counter()
    await pool.fetchrow(TOUCH, facts)
    return time.perf_counter() - began
