"""`python -m bench.soak`: every service in one process under a steady load, and what must hold of it for ever."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from bench.clock import median, slope
from bench.cores import Cores, told
from bench.place import Place
from bench.row import Row, keep, table
from bench.runner import Bench, begin
from bench.scale import FULL
from bench.services import Running, serving
from bench.steady import SOURCE, Steady
from operations.parked import parked
from services.views.engine.definition import NAMES
from services.views.engine.rebuild import rebuild
from shared.log.view_cursors import wait_until
from stack import Addresses, StackError, running
from stack.choice import choose

EVERY = 10.0
"""Seconds between two samples."""
PATIENCE = 60.0
"""Seconds that the last messages may take to be answered."""
MEMORY, EACH = 250, 100
"""Megabytes at the end, and bytes for each fact that was logged meanwhile: sixteen for its id, the rest for what the
deciders remember of a version."""
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
select (select $2 - count(distinct meta ->> 'causation') from log.event where meta ->> 'actor' = $1)
     + (select count(*) from log.event
         where kind in ('model.registered', 'model.validated') and id::text not in (select id from answered))
"""


@dataclass(frozen=True)
class Sample:
    """What was seen at once: minutes since the beginning, megabytes, and how far the followers were behind."""

    minutes: float
    memory: float
    facts: int
    relay: int
    views: int
    connections: int


def main() -> int:
    """Soak; 1 if an aim was missed, for here each of them is a promise."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=200, help="messages a second")
    parser.add_argument("--models", type=int, default=300, help="of how many models; none is added on the way")
    parser.add_argument("--json", type=Path, default=Path(".modelog/soak.json"), help="where the numbers are kept")
    asked = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it tells of every leader that is not elected yet
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running() as addresses:
            rows, samples = begin(soak(addresses, asked.minutes, asked.rate, asked.models))
    except StackError as sentence:
        print(sentence, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    keep(asked.json, rows, rate=asked.rate, models=asked.models, samples=[asdict(one) for one in samples])
    print(table(rows))
    print(f"\nKept in {asked.json}, with a sample every {EVERY:.0f} s.")
    return 1 if any(row.met is False for row in rows) else 0


async def soak(addresses: Addresses, minutes: float, rate: float, models: int) -> tuple[list[Row], list[Sample]]:
    """Send and sample for so many minutes, wait for the last answer, and look at what is left."""
    bench = Bench(addresses, FULL, lent=choose(os.environ) == "given")
    async with bench.place() as place, place.owner() as owner, serving(place) as services:
        bench.say(f"soak: {rate:.0f} messages/s on {models} models for {minutes:g} minutes")
        steady, cores = Steady(place, rate, models), Cores()
        sending = asyncio.create_task(steady.run(minutes * 60))
        samples = await _sampled(bench, owner, services, sending)
        await sending
        used = told(cores.used())
        unanswered = await _unanswered(owner, steady.sent)
        bench.say(f"soak: {steady.sent:,} messages sent, {unanswered:,} unanswered; now the views")
        differ = await _differing(place, owner)
        left = await parked(place.settings)
    return _rows(steady, samples, used, unanswered, len(left), differ), samples


async def _sampled(bench: Bench, owner: asyncpg.Pool, services: Running, sending: asyncio.Task[None]) -> list[Sample]:
    samples: list[Sample] = []
    began = time.monotonic()
    while True:
        row = await owner.fetchrow(SAMPLE)
        samples.append(Sample((time.monotonic() - began) / 60, services.memory / 1e6, *row))
        now = samples[-1]
        if len(samples) % round(60 / EVERY) == 1:
            bench.say(
                f"soak: {now.memory:.0f} MB, {now.facts:,} facts, relay {now.relay:,} behind, "
                f"views {now.views:,} behind, {now.connections} connections"
            )
        if sending.done():
            return samples
        await asyncio.wait([sending], timeout=EVERY)


async def _unanswered(owner: asyncpg.Pool, sent: int) -> int:
    """How many have no answer when all have, or when that takes too long."""
    began = time.monotonic()
    while True:
        unanswered = int(await owner.fetchval(UNANSWERED, SOURCE, sent))
        if not unanswered or time.monotonic() - began > PATIENCE:
            return unanswered
        await asyncio.sleep(1)


async def _differing(place: Place, owner: asyncpg.Pool) -> list[str]:
    """The views that do not show what the log says."""
    async with await place.service() as pool:
        await wait_until(pool, NAMES, await owner.fetchval("select log.settled()"), PATIENCE)
        return [report.view for report in await rebuild(pool) if not report.equal]


def _rows(
    steady: Steady, samples: Sequence[Sample], used: str, unanswered: int, left: int, differ: Sequence[str]
) -> list[Row]:
    half = samples[len(samples) // 2 :]
    growth, facts = (
        slope([(one.minutes, one.memory) for one in half]),
        slope([(one.minutes, one.facts) for one in half]),
    )
    grows = (
        f"by {growth:.1f} MB/min over the second half, by least squares, with {facts:,.0f} facts/min. The models stay "
        "the same; their histories remember each version, and the id of each fact that was said"
    )
    first, last = samples[0], samples[-1]
    sent = f"{steady.sent:,} in {last.minutes:.1f} min; {used}"
    return [
        Row("soak, sent", "messages/s", steady.sent / last.minutes / 60, note=sent),
        Row("soak, unanswered", "messages", unanswered, aim=0),
        Row("soak, parked", "records", left, aim=0),
        Row("soak, views unlike a rebuild", "views", len(differ), aim=0, note=", ".join(differ)),
        Row("soak, memory at the end", "MB", last.memory, None, MEMORY, note=f"{first.memory:.0f} MB before"),
        Row("soak, memory grows, for each fact", "bytes", growth / max(facts, 1) * 1e6, None, EACH, note=grows),
        *(
            Row(name, unit, max(values), note=f"the most of {len(values)} samples; the median is {median(values):,.0f}")
            for name, unit, values in (
                ("soak, relay behind", "facts", [one.relay for one in samples]),
                ("soak, views behind", "facts", [one.views for one in samples]),
                ("soak, Postgres connections", "connections", [one.connections for one in samples]),
            )
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
