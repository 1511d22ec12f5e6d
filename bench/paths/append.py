"""Facts into the log: a fact a call from many callers who share a log, and many streams in a call."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import asyncpg

from bench.clock import median, percentile
from bench.cores import Cores, each
from bench.events import drifted
from bench.loading import META
from bench.peer import saves
from bench.row import Row
from bench.runner import Bench
from shared.log import Append, Entry, Log

CONNECTIONS = 16
CALLERS = (16, 256)
STREAMS = 100
ROUNDS = 3
TIMES_PEER = 10
"""How many times the peer's rate; it saves with 16 threads, each its own aggregate or all the same."""
INSERT_ONE = "insert into floor.event (stream, version, kind, id, data, meta) values ($1, $2, $3, $4, $5, $6)"
INSERT_MANY = """
insert into floor.event (stream, version, kind, id, data, meta)
select * from unnest($1::text[], $2::int[], $3::text[], $4::uuid[], $5::jsonb[], $6::jsonb[])
"""
DATA = drifted("fraud").model_dump_json()

Call = Callable[[str, int, Iterator[int], Iterator[int]], Awaitable[int]]


async def measure(bench: Bench) -> list[Row]:
    async with (
        bench.sandbox() as sandbox,
        sandbox.owner(CONNECTIONS) as bare,
        await sandbox.service(CONNECTIONS) as pool,
    ):
        await asyncio.gather(
            *(idle.execute("select pg_sleep(0.1)") for idle in (bare, pool) for _ in range(CONNECTIONS))
        )
        log, tag, seconds = Log(pool), (f"s{n}" for n in count()), bench.scale.append_seconds
        bench.progress("append: eventsourcing, 16 threads")
        each_, same = [await saves(sandbox, bench.scale.peer_seconds, same=same) for same in (False, True)]
        single, many = _insert_one(bare), _insert_many(bare)
        rows = []
        for path, callers, aim, peer, floor, ours in (
            # Without an aim: no part of modelog appends single facts from many callers.
            *((f"append, {n} callers, a stream each", n, None, each_, single, _alone(log)) for n in CALLERS),
            *((f"append, {n} callers, all one stream", n, None, same, single, _shared(log)) for n in CALLERS),
            (f"append, {STREAMS} streams, 1 caller", 1, 15_000, each_, many, _many(log)),
            (f"append, {STREAMS} facts of one stream, 1 caller", 1, None, None, many, _batch(log)),
        ):
            bench.progress(path)
            theirs, mine, used, waits = [], [], "", list[float]()
            for _ in range(ROUNDS):
                theirs.append(await _rate(floor, next(tag), callers, seconds, []))
                cores = Cores()
                mine.append(await _rate(ours, next(tag), callers, seconds, waits))
                used = each(cores.used(), mine[-1])
            note = f"p50 {median(waits):.1f} ms, p99 {percentile(waits, 0.99):.1f} ms a call; {used}"
            rows.append(
                Row(
                    path,
                    "facts/s",
                    median(mine),
                    median(theirs),
                    aim,
                    peer=peer,
                    and_peer=aim and TIMES_PEER,
                    note=note,
                )
            )
    return rows


async def _rate(call: Call, tag: str, callers: int, seconds: float, waits: list[float]) -> float:
    """Facts a second by `callers` callers that write streams with this tag; a call returns how many facts it wrote."""
    began, done = time.perf_counter(), 0
    shared = count()

    async def caller(n: int) -> None:
        nonlocal done
        own = count()
        while (now := time.perf_counter()) < began + seconds:
            wrote = await call(tag, n, own, shared)
            done += wrote
            waits.append((time.perf_counter() - now) * 1000)

    await asyncio.gather(*(caller(n) for n in range(callers)))
    return done / (time.perf_counter() - began)


def _append(stream: str, expected: int, facts: int = 1) -> Append:
    data = DATA.replace('"fraud"', f'"{stream}"')
    return Append(stream, expected, [Entry("drift.recorded", uuid.uuid4(), data, META) for _ in range(facts)])


def _alone(log: Log) -> Call:
    async def call(tag: str, caller: int, own: Iterator[int], _shared: Iterator[int]) -> int:
        return len(await log.append([_append(f"{tag}-{caller}", next(own))]))

    return call


def _shared(log: Log) -> Call:
    """The callers take turns, as commands for the same stream do in a service."""
    turn = asyncio.Lock()

    async def call(tag: str, _caller: int, _own: Iterator[int], shared: Iterator[int]) -> int:
        async with turn:
            return len(await log.append([_append(tag, next(shared))]))

    return call


def _batch(log: Log) -> Call:
    """What a service does with the commands of a slice: all facts of a stream in an append, all streams in a call."""

    async def call(tag: str, _caller: int, own: Iterator[int], _shared: Iterator[int]) -> int:
        expected = next(own) * STREAMS
        return STREAMS * len(await log.append([_append(tag, expected, STREAMS)]))

    return call


def _many(log: Log) -> Call:
    async def call(tag: str, _caller: int, own: Iterator[int], _shared: Iterator[int]) -> int:
        version = next(own)
        return len(await log.append([_append(f"{tag}-{n}", version) for n in range(STREAMS)]))

    return call


def _insert_one(pool: asyncpg.Pool) -> Call:
    async def call(tag: str, caller: int, own: Iterator[int], _shared: Iterator[int]) -> int:
        await pool.execute(INSERT_ONE, f"{tag}-{caller}", next(own) + 1, "drift.recorded", uuid.uuid4(), DATA, META)
        return 1

    return call


def _insert_many(pool: asyncpg.Pool) -> Call:
    async def call(tag: str, _caller: int, own: Iterator[int], _shared: Iterator[int]) -> int:
        streams = [f"{tag}-{n}" for n in range(STREAMS)]
        kinds, versions = ["drift.recorded"] * STREAMS, [next(own) + 1] * STREAMS
        ids = [uuid.uuid4() for _ in streams]
        await pool.execute(INSERT_MANY, streams, versions, kinds, ids, [DATA] * STREAMS, [META] * STREAMS)
        return STREAMS

    return call
