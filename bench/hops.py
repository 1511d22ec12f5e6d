"""Where the time between a report and its final answer went: log and Kafka both write down when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from modelog.envelope import Message
from modelog.events import Event, RegistrationRefused

from bench.clock import median
from bench.kafka import batches, consuming
from bench.place import Place

KINDS = ("model.registered", "model.validated", "model.promoted")
HOPS = ("ingestion", "relay", "validation", "relay", "promotion", "relay", "subscriber")
MARKS = ("sent", "registered", "on Kafka", "validated", "on Kafka", "promoted", "on Kafka", "heard")
"""What a hop begins with and ends with."""
FACTS = """
select stream, (data ->> 'version')::int, kind, position, extract(epoch from at)::float8, data ->> 'run'
  from log.event
 where kind = any ($1)
"""

Sent = dict[tuple[str, str], tuple[float, float]]
"""When each model's run was about to be sent, by perf_counter and by the wall clock."""
Heard = list[tuple[float, float, Message[Event]]]
"""When each final answer came, by both clocks."""


@dataclass(frozen=True)
class Took:
    """Milliseconds of each loop, and the median of each of its hops."""

    whole: list[float]
    medians: Mapping[str, float]

    @property
    def told(self) -> str:
        return "median hops: " + ", ".join(f"{hop.partition(' ')[2]} {ms:.1f}" for hop, ms in self.medians.items())

    @property
    def slowest(self) -> tuple[str, float]:
        """The hop whose median is the greatest: between which two, and its milliseconds."""
        hop, ms = max(self.medians.items(), key=lambda one: one[1])
        n, name = int(hop.partition(" ")[0]), hop.partition(" ")[2]
        return f"hop {n + 1} of {len(HOPS)}, {MARKS[n]} → {MARKS[n + 1]}, by {name}", ms


async def hops(place: Place, sent: Sent, heard: Heard) -> Took:
    """Match what was sent with what was heard, and both with the log and the topics."""
    runs: dict[tuple[str, int], str] = {}
    facts: dict[tuple[str, int], dict[str, tuple[int, float]]] = {}
    async with place.owner() as pool:
        for stream, version, kind, position, at, run in await pool.fetch(FACTS, list(KINDS)):
            facts.setdefault((stream, version), {})[kind] = position, at
            if run is not None:
                runs[stream, version] = run
    spoken = await _spoken(place, sum(len(kinds) for kinds in facts.values()))
    whole: list[float] = []
    steps: list[list[float]] = []
    for at, wall, message in heard:
        event = message.event
        if isinstance(event, RegistrationRefused):
            whole.append((at - sent[event.model, event.run][0]) * 1000)
            continue
        key = event.model, getattr(event, "version", 0)
        began, wall_began = sent[event.model, runs[key]]
        whole.append((at - began) * 1000)
        if event.type == "model.promoted":
            steps.append(_steps(wall_began, facts[key], spoken, wall))
    medians = {f"{n} {hop}": median([step[n] for step in steps]) for n, hop in enumerate(HOPS)} if steps else {}
    return Took(whole, medians)


def _steps(
    began: float, facts: Mapping[str, tuple[int, float]], spoken: Mapping[int, float], heard: float
) -> list[float]:
    marks = [began]
    for kind in KINDS:
        position, at = facts[kind]
        marks += [at, spoken[position]]
    marks.append(heard)
    return [(after - before) * 1000 for before, after in pairwise(marks)]


async def _spoken(place: Place, count: int) -> dict[int, float]:
    """When the relay handed each fact to Kafka, by its position."""
    async with consuming(place, *KINDS) as consumer:
        return {
            int(dict(record.headers)["ce_sequence"]): record.timestamp / 1000
            async for batch in batches(consumer, count)
            for record in batch
        }
