"""Every view, rebuilt and swapped while it is read; and what a log of ten million facts costs its callers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from bench.cores import Cores, each
from bench.loading import load, logged
from bench.peer import projected
from bench.probe import probe
from bench.row import Row
from bench.runner import Bench
from services.views.engine.definition import VIEWS
from services.views.engine.rebuild import rebuild
from shared.log import Log

TOUCH = """
select count(*), count(data ->> 'model'), count(data ->> 'version'), count(data ->> 'stage'), count(data ->> 'run')
  from log.event
 where position <= $1
"""
FORGET = "drop view registry.model, registry.serving, registry.version; delete from registry.cursor"
SIZE = """
select sum(pg_table_size(inhrelid))::float8 / count, sum(pg_indexes_size(inhrelid))::float8 / count
  from pg_inherits, (select count(*) from log.event)
 where inhparent = 'log.event'::regclass
 group by count
"""
AIM_FACTS_PER_SECOND, TIMES_PEER, MAX_SWAP_MS = 150_000, 100, 50
SHORT, MANY, FEW = 10_000, 10_000, 400
"""Facts of the short log; models of a long log, and of a shorter log."""


@dataclass
class Reads:
    """Milliseconds of every read, and of the reads around a swap: the first of a new table and some before it."""

    took: list[float] = field(default_factory=list)
    swapping: list[float] = field(default_factory=list)


async def measure(bench: Bench) -> list[Row]:
    sizes, rows = bench.scale.rebuild_facts, list[Row]()
    models = MANY if sizes[-1] > 1_000_000 else FEW
    async with bench.sandbox() as sandbox, sandbox.owner() as owner, await sandbox.service(12) as pool:
        peer = await projected(sandbox, bench.scale.peer_events)
        names, since = await load(sandbox, SHORT, models), SHORT // models
        short = await probe(Log(pool), names, await logged(owner))
        for facts in sizes:
            began = time.perf_counter()
            await load(sandbox, facts, models, since=since)
            since = -(-facts // models)
            bench.progress(f"rebuild: {await logged(owner):,} facts are logged, in {time.perf_counter() - began:.0f} s")
            rows += await (_first if facts == sizes[0] else _grown)(bench, owner, pool, peer)
        long = await probe(Log(pool), names, await logged(owner))
        table, indexes = await owner.fetchrow(SIZE)
    size = Row(
        "log on disk, a fact", "bytes", table + indexes, note=f"{table:.0f} of the table, {indexes:.0f} of indexes"
    )
    return [*rows, *long.beside(short), size]


async def _first(bench: Bench, owner: asyncpg.Pool, pool: asyncpg.Pool, peer: float) -> list[Row]:
    """From an empty database, then again beside the tables in use, which are read meanwhile."""
    rows = await _built(bench, owner, pool, peer, "rebuild, all views")
    bench.progress("rebuild: now beside the tables in use, which are read meanwhile")
    began = time.perf_counter()
    async with _reading(pool) as reads:
        reports = await rebuild(pool)
    whole = time.perf_counter() - began
    assert all(report.equal for report in reports), reports
    swapped = max(report.swapped or 0 for report in reports) * 1000
    seen = (
        f"{len(reads.took):,} reads meanwhile, none failed; the slowest around a swap took {max(reads.swapping):.1f} ms"
    )
    return [
        *rows,
        Row("rebuild, all views, read, proven, swapped", "facts/s", reports[0].facts / whole, rows[0].floor),
        Row("rebuild, the slowest swap", "ms", swapped, aim=MAX_SWAP_MS, note=seen),
    ]


async def _grown(bench: Bench, owner: asyncpg.Pool, pool: asyncpg.Pool, peer: float) -> list[Row]:
    """From an empty database, of a longer log."""
    await owner.execute(FORGET)
    return await _built(bench, owner, pool, peer, "rebuild, all views, a long log")


async def _built(bench: Bench, owner: asyncpg.Pool, pool: asyncpg.Pool, peer: float, name: str) -> list[Row]:
    facts = await logged(owner)
    floor = facts / min([await _touched(owner, facts) for _ in range(2)])
    bench.progress(f"rebuild: Postgres touches {floor:,.0f} facts/s; now the views")
    cores, began = Cores(), time.perf_counter()
    reports = await rebuild(pool)
    used = each(cores.used(), facts / (time.perf_counter() - began))
    seconds = max(report.seconds for report in reports)  # they are built at the same time
    tables = ", ".join(f"{made.view} {made.digest.rows:,} rows in {made.seconds:.1f} s" for made in reports)
    note = (
        f"{facts:,} facts; {tables}; {used}; floor: count(*) and 4 keys; peer: its ProjectionRunner into a single view"
    )
    return [
        Row(name, "facts/s", facts / seconds, floor, AIM_FACTS_PER_SECOND, peer=peer, and_peer=TIMES_PEER, note=note)
    ]


@asynccontextmanager
async def _reading(pool: asyncpg.Pool) -> AsyncIterator[Reads]:
    """A reader for each view, as fast as it can; their errors are raised at the end."""
    done, reads = asyncio.Event(), Reads()
    readers = [asyncio.create_task(_read(pool, view.name, done, reads)) for view in VIEWS]
    try:
        yield reads
    finally:
        done.set()
        await asyncio.gather(*readers)


async def _read(pool: asyncpg.Pool, view: str, done: asyncio.Event, reads: Reads) -> None:
    ask, known, latest = f"select * from registry.{view} where model = 'model-1-1'", None, deque[float](maxlen=20)
    while not done.is_set():
        began = time.perf_counter()
        assert await pool.fetch(ask)
        latest.append((time.perf_counter() - began) * 1000)
        reads.took.append(latest[-1])
        generation = await pool.fetchval("select generation from registry.cursor where view = $1", view)
        if known not in (None, generation):
            reads.swapping += latest
        known = generation


async def _touched(pool: asyncpg.Pool, facts: int) -> float:
    began = time.perf_counter()
    await pool.fetchrow(TOUCH, facts)
    return time.perf_counter() - began
