"""`python -m bench.soak`: every service in a single process under a steady load; memory and lags must not grow."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from bench.clock import median, slope
from bench.cores import Cores, described
from bench.row import Row, keep, table
from bench.runner import Bench, begin
from bench.scale import FULL
from bench.services import Running, serving
from bench.steady import SOURCE, Steady
from operations.parked import waiting
from services.views.engine.definition import NAMES
from services.views.engine.rebuild import rebuild
from shared.log.view_cursors import wait_until
from stack import Addresses, StackError, running
from stack.disposable import Sandbox
from stack.waiting import until

SAMPLE_SECONDS = 10.0
"""Seconds between two samples."""
ANSWER_SECONDS = 60.0
"""How long the last messages may take to be answered."""
MAX_MEGABYTES, MAX_BYTES_PER_FACT = 250, 100
"""At the end, and as growth: the deciders remember every version of a model; ids are looked up in the log."""
SAMPLE = """
select coalesce(pg_sequence_last_value('log.position'), 0) as facts,
       settled - coalesce((select position from log.cursor where follower = 'relay'), 0) as relay,
       settled - coalesce((select min(position) from registry.cursor), 0) as views,
       (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid())
  from log.settled() settled
"""
# Every message from outside has a fact; so has each fact that a service answers.
UNANSWERED = """
with answered as materialized (select distinct meta ->> 'causation' as id from log.event)
select (select $2 - count(distinct meta ->> 'causation') from log.event where meta ->> 'causation_source' = $1)
     + (select count(*) from log.event
         where kind in ('model.registered', 'model.validated') and id::text not in (select id from answered))
"""


@dataclass(frozen=True)
class Sample:
    """A moment: minutes since the start, megabytes, facts, how many facts relay and views are behind, connections."""

    minutes: float
    memory: float
    facts: int
    relay: int
    views: int
    connections: int


def main() -> int:
    """Soak; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=200, help="messages a second")
    parser.add_argument("--models", type=int, default=300, help="number of models; it stays the same")
    parser.add_argument("--json", type=Path, default=Path(".modelog/soak.json"), help="the file for the numbers")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it logs every leader that is not elected yet
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running() as addresses:
            rows, samples = begin(soak(addresses, arguments.minutes, arguments.rate, arguments.models))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    keep(
        arguments.json,
        rows,
        rate=arguments.rate,
        models=arguments.models,
        samples=[asdict(sample) for sample in samples],
    )
    print(table(rows))
    print(f"\nWritten to {arguments.json}, with a sample every {SAMPLE_SECONDS:.0f} s.")
    return 1 if any(row.met is False for row in rows) else 0


async def soak(addresses: Addresses, minutes: float, rate: float, models: int) -> tuple[list[Row], list[Sample]]:
    """Send and sample for `minutes`, wait for the last answer, then count what is unanswered, parked or different."""
    bench = Bench(addresses, FULL)
    async with bench.sandbox() as sandbox, sandbox.owner() as owner, serving(sandbox) as services:
        bench.progress(f"soak: {rate:.0f} messages/s on {models} models for {minutes:g} minutes")
        steady, cores = Steady(sandbox, rate, models), Cores()
        sending = asyncio.create_task(steady.run(minutes * 60))
        samples = await _sampled(bench, owner, services, sending)
        await sending
        used = described(cores.used())
        unanswered = await _unanswered(owner, steady.sent)
        bench.progress(f"soak: {steady.sent:,} messages sent, {unanswered:,} unanswered; now the views")
        differ = await _differing(sandbox, owner)
        left = await waiting(sandbox.settings)
    return _rows(steady, samples, used, unanswered, left, differ), samples


async def _sampled(bench: Bench, owner: asyncpg.Pool, services: Running, sending: asyncio.Task[None]) -> list[Sample]:
    samples: list[Sample] = []
    began = time.monotonic()
    while True:
        row = await owner.fetchrow(SAMPLE)
        samples.append(Sample((time.monotonic() - began) / 60, services.memory / 1e6, *row))
        now = samples[-1]
        if len(samples) % round(60 / SAMPLE_SECONDS) == 1:
            bench.progress(
                f"soak: {now.memory:.0f} MB, {now.facts:,} facts, relay {now.relay:,} behind, "
                f"views {now.views:,} behind, {now.connections} connections"
            )
        if sending.done():
            return samples
        await asyncio.wait([sending], timeout=SAMPLE_SECONDS)


async def _unanswered(owner: asyncpg.Pool, sent: int) -> int:
    """How many have no answer, zero or after waiting for them."""

    async def count() -> int:
        return int(await owner.fetchval(UNANSWERED, SOURCE, sent))

    async def none() -> bool:
        return not await count()

    with suppress(TimeoutError):
        await until(none, "an answer to every message", seconds=ANSWER_SECONDS, every=1)
    return await count()


async def _differing(sandbox: Sandbox, owner: asyncpg.Pool) -> list[str]:
    """The views that differ from a rebuild."""
    async with await sandbox.service() as pool:
        await wait_until(pool, NAMES, await owner.fetchval("select log.settled()"), ANSWER_SECONDS)
        return [report.view for report in await rebuild(pool) if not report.equal]


def _rows(
    steady: Steady, samples: Sequence[Sample], used: str, unanswered: int, left: int, differ: Sequence[str]
) -> list[Row]:
    half = samples[len(samples) // 2 :]
    growth, facts = (
        slope([(sample.minutes, sample.memory) for sample in half]),
        slope([(sample.minutes, sample.facts) for sample in half]),
    )
    grows = (
        f"by {growth:.1f} MB/min over the second half, by least squares, with {facts:,.0f} facts/min. The models stay "
        "the same, and their histories keep each version"
    )
    first, last = samples[0], samples[-1]
    sent = f"{steady.sent:,} in {last.minutes:.1f} min; {used}"
    return [
        Row("soak, sent", "messages/s", steady.sent / last.minutes / 60, note=sent),
        Row("soak, unanswered", "messages", unanswered, aim=0),
        Row("soak, parked", "records", left, aim=0),
        Row("soak, views unlike a rebuild", "views", len(differ), aim=0, note=", ".join(differ)),
        Row("soak, memory at the end", "MB", last.memory, None, MAX_MEGABYTES, note=f"{first.memory:.0f} MB before"),
        Row(
            "soak, memory grows, for each fact",
            "bytes",
            growth / max(facts, 1) * 1e6,
            None,
            MAX_BYTES_PER_FACT,
            note=grows,
        ),
        *(
            Row(name, unit, max(values), note=f"the most of {len(values)} samples; the median is {median(values):,.0f}")
            for name, unit, values in (
                ("soak, relay behind", "facts", [sample.relay for sample in samples]),
                ("soak, views behind", "facts", [sample.views for sample in samples]),
                ("soak, Postgres connections", "connections", [sample.connections for sample in samples]),
            )
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
