"""Milliseconds of an append and of a read: they should be the same for a short log and for a long log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from bench.clock import median
from bench.events import drifted
from bench.loading import META
from bench.row import Row
from shared.deciding.history import History
from shared.log import Append, Entry, Log, Reader

READER = Reader("bench", "", "/modelog/bench", ["drift.recorded"])
BEFORE = """
select e.stream, e.version, e.position, e.id
  from log.stream s join log.event e on e.stream = s.stream and e.version = s.version - 1
 where s.stream = any ($1)
"""
SINGLES, BATCHES, STREAMS = 300, 60, 100
DATA = drifted("fraud").model_dump_json()


@dataclass(frozen=True)
class Probe:
    """The median of the milliseconds of many calls, for each kind of call."""

    facts: int
    took: dict[str, float]

    def beside(self, short: Probe) -> list[Row]:
        """This log's milliseconds beside those of a shorter log."""
        note = f"with {self.facts:,} facts in the log; floor: the same with {short.facts:,}"
        return [Row(f"{name}, long log", "ms", ms, short.took[name], note=note) for name, ms in self.took.items()]


async def probe(log: Log, models: Sequence[str], facts: int) -> Probe:
    """Append to streams of its own, read them, and read the ends of these models' streams."""
    tag = uuid.uuid4().hex[:8]
    single, many = [f"{tag}-one"], [f"{tag}-{n}" for n in range(STREAMS)]
    some = models[:: -(-len(models) // SINGLES)]
    before = {row["stream"]: History(None, row[1], row[2], row[3]) for row in await log.pool.fetch(BEFORE, some)}
    return Probe(
        facts,
        {
            "append one fact": median([await _ms(log.append(_append(single, n))) for n in range(SINGLES)]),
            f"append to {STREAMS} streams": median([await _ms(log.append(_append(many, n))) for n in range(BATCHES)]),
            f"read a stream of {BATCHES}": median([await _ms(_read(log, stream, History(None))) for stream in many]),
            "read a stream's last fact": median([await _ms(_read(log, *head)) for head in before.items()]),
        },
    )


def _append(streams: Sequence[str], version: int) -> list[Append]:
    return [Append(stream, version, [_entry(stream)]) for stream in streams]


def _entry(stream: str) -> Entry:
    return Entry("drift.recorded", uuid.uuid4(), DATA.replace('"fraud"', f'"{stream}"'), META)


async def _read(log: Log, stream: str, known: History[None]) -> None:
    assert await log.catch_up(READER, {stream: known}, [], 1024 * 1024)


async def _ms(call: Awaitable[object]) -> float:
    began = time.perf_counter()
    await call
    return (time.perf_counter() - began) * 1000
