"""The time of each hop between a report and its final answer, by the timestamps of the log and of Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from modelog.envelope import Message
from modelog.events import Event, RegistrationRefused

from bench.clock import median
from bench.kafka import batches, consuming
from stack.disposable import Sandbox

KINDS = ("model.registered", "model.validated", "model.promoted")
HOPS = ("ingestion", "relay", "validation", "relay", "promotion", "relay", "subscriber")
MARKS = ("sent", "registered", "on Kafka", "validated", "on Kafka", "promoted", "on Kafka", "received")
"""The events between the hops."""
FACTS = """
select stream, (data ->> 'version')::int, kind, position, extract(epoch from at)::float8, data ->> 'run'
  from log.event
 where kind = any ($1)
"""

Sent = dict[tuple[str, str], tuple[float, float]]
"""When each model's run was sent, by perf_counter and by the wall clock."""
Received = list[tuple[float, float, Message[Event]]]
"""When each final answer was received, by both clocks."""


@dataclass(frozen=True)
class Took:
    """Milliseconds of each loop, and the median of each hop."""

    whole: list[float]
    medians: Mapping[str, float]

    @property
    def described(self) -> str:
        return "median hops: " + ", ".join(f"{hop.partition(' ')[2]} {ms:.1f}" for hop, ms in self.medians.items())

    @property
    def slowest(self) -> tuple[str, float]:
        """The hop with the greatest median: its name, and its milliseconds."""
        hop, ms = max(self.medians.items(), key=lambda item: item[1])
        n, name = int(hop.partition(" ")[0]), hop.partition(" ")[2]
        return f"hop {n + 1} of {len(HOPS)}, {MARKS[n]} → {MARKS[n + 1]}, by {name}", ms


async def hops(sandbox: Sandbox, sent: Sent, received: Received) -> Took:
    """Match the runs that were sent with the answers, and both with the log and the topics."""
    runs: dict[tuple[str, int], str] = {}
    facts: dict[tuple[str, int], dict[str, tuple[int, float]]] = {}
    async with sandbox.owner() as pool:
        for stream, version, kind, position, at, run in await pool.fetch(FACTS, list(KINDS)):
            facts.setdefault((stream, version), {})[kind] = position, at
            if run is not None:
                runs[stream, version] = run
    published = await _published(sandbox, sum(len(kinds) for kinds in facts.values()))
    whole: list[float] = []
    steps: list[list[float]] = []
    for at, wall, message in received:
        event = message.event
        if isinstance(event, RegistrationRefused):
            whole.append((at - sent[event.model, event.run][0]) * 1000)
            continue
        key = event.model, getattr(event, "version", 0)
        began, wall_began = sent[event.model, runs[key]]
        whole.append((at - began) * 1000)
        if event.type == "model.promoted":
            steps.append(_steps(wall_began, facts[key], published, wall))
    medians = {f"{n} {hop}": median([step[n] for step in steps]) for n, hop in enumerate(HOPS)} if steps else {}
    return Took(whole, medians)


def _steps(
    began: float, facts: Mapping[str, tuple[int, float]], published: Mapping[int, float], received: float
) -> list[float]:
    marks = [began]
    for kind in KINDS:
        position, at = facts[kind]
        marks += [at, published[position]]
    marks.append(received)
    return [(after - before) * 1000 for before, after in pairwise(marks)]


async def _published(sandbox: Sandbox, count: int) -> dict[int, float]:
    """When the relay gave each fact to Kafka, by its position."""
    async with consuming(sandbox, *KINDS) as consumer:
        return {
            int(dict(record.headers)["ce_sequence"]): record.timestamp / 1000
            async for batch in batches(consumer, count)
            for record in batch
        }
