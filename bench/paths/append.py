"""Facts into the log: one at a time from many callers, and many streams in one call."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import asyncpg

from bench.clock import median, percentile
from bench.cores import Cores, each
from bench.events import drifted
from bench.loading import META
from bench.row import Row
from bench.runner import Bench
from shared.log import Append, Entry, Log

CALLERS = 16
STREAMS = 100
ROUNDS = 3
ONE = "insert into floor.event (stream, version, kind, id, data, meta) values ($1, $2, $3, $4, $5, $6)"
MANY = """
insert into floor.event (stream, version, kind, id, data, meta)
select * from unnest($1::text[], $2::int[], $3::text[], $4::uuid[], $5::jsonb[], $6::jsonb[])
"""
DATA = drifted("fraud").model_dump_json()

Call = Callable[[int, int], Awaitable[object]]


async def measure(bench: Bench) -> list[Row]:
    rows = []
    async with bench.place() as place, place.owner(CALLERS) as bare, await place.service(CALLERS) as pool:
        await asyncio.gather(*(one.fetchval("select pg_sleep(0.1)") for one in (bare, pool) for _ in range(CALLERS)))
        log, tag = Log(pool), iter(range(10**6))
        for path, size, aim, floor, ours in (
            (f"append, single, {CALLERS} callers", 1, 5_000.0, _insert_one(bare), _append(log, 1)),
            (f"append, {STREAMS} streams, 1 caller", STREAMS, 15_000.0, _insert_many(bare), _append(log, STREAMS)),
        ):
            bench.say(path)
            callers = CALLERS if size == 1 else 1
            theirs, mine, used, waits = [], [], "", list[float]()
            for _ in range(ROUNDS):
                theirs.append(await _rate(floor, next(tag), callers, size, bench.scale.append_seconds, []))
                cores = Cores()
                mine.append(await _rate(ours, next(tag), callers, size, bench.scale.append_seconds, waits))
                used = each(cores.used(), mine[-1])
            note = f"p50 {median(waits):.1f} ms, p99 {percentile(waits, 0.99):.1f} ms a call; {used}"
            rows.append(Row(path, "facts/s", median(mine), median(theirs), aim, note=note))
    return rows


async def _rate(call: Call, tag: int, callers: int, size: int, seconds: float, waits: list[float]) -> float:
    """Facts a second by so many callers, each with streams of its own; `tag` makes them new."""
    began, done = time.perf_counter(), 0

    async def caller(n: int) -> None:
        nonlocal done
        version = 0
        while (now := time.perf_counter()) < began + seconds:
            await call(tag * 1_000_000 + n * 1_000, version)
            waits.append((time.perf_counter() - now) * 1000)
            version += 1
            done += size

    await asyncio.gather(*(caller(n) for n in range(callers)))
    return done / (time.perf_counter() - began)


def _append(log: Log, streams: int) -> Call:
    async def call(stream: int, version: int) -> None:
        entries = [Entry("drift.recorded", uuid.uuid4(), DATA, META) for _ in range(streams)]
        done = await log.append(Append(f"s{stream + n}", version, [one]) for n, one in enumerate(entries))
        assert len(done) == streams

    return call


def _insert_one(pool: asyncpg.Pool) -> Call:
    async def call(stream: int, version: int) -> None:
        await pool.execute(ONE, f"s{stream}", version + 1, "drift.recorded", uuid.uuid4(), DATA, META)

    return call


def _insert_many(pool: asyncpg.Pool) -> Call:
    async def call(stream: int, version: int) -> None:
        streams = [f"s{stream + n}" for n in range(STREAMS)]
        kinds, versions = ["drift.recorded"] * STREAMS, [version + 1] * STREAMS
        ids = [uuid.uuid4() for _ in streams]
        await pool.execute(MANY, streams, versions, kinds, ids, [DATA] * STREAMS, [META] * STREAMS)

    return call
