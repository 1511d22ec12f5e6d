"""Parked: what the topic `parked` says, kept in the table `log.parked`, where it can be asked by cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord
from modelog.events import BY_TYPE
from prometheus_client import Counter

from services.parked.marks import Marks
from services.parked.reading import consume
from shared.bus.parked_records import ParkedRecord, read_mark, read_parked
from shared.runtime.recovery import run_with_recovery
from shared.runtime.runtime import Runtime

READ = Counter("modelog_parked_read", "Records of the topic parked, by what became of them", ["outcome"])
KEPT, REPEATED, MARKS, IGNORED = (READ.labels(name) for name in ("kept", "repeated", "mark", "ignored"))
SENT = Counter("modelog_parked_marks", "Marks of older versions that were found to be true")

INSERT = """
insert into log.parked (id, topic, partition, "offset", service, at, reason, cause, source, message_id, digest)
select * from unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::timestamptz[], $7::text[],
                     $8::uuid[], $9::text[], $10::text[], $11::bytea[])
on conflict (id) do nothing
returning id
"""


@dataclass
class Parked:
    """The component: a consumer of the topic `parked` that inserts a row for each record, however often it comes."""

    name: str = "parked"
    marks: Marks = field(default_factory=Marks)

    def describe(self) -> dict[str, str]:
        return {"keeps": "what the topic parked says, in log.parked"}

    async def run(self, runtime: Runtime) -> None:
        """Keep up with the topic until the process stops."""
        await run_with_recovery(runtime, self.name, lambda: consume(runtime, self.name, self._keep, self._idle))

    async def _keep(self, runtime: Runtime, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        ours = frozenset(runtime.settings.topic_prefix + type for type in BY_TYPE)
        found = [parked for parked in map(read_parked, records) if parked and parked.place.topic in ours]
        # A record twice in one statement would be no conflict yet.
        rows = list({parked.id: parked for parked in found}.values())
        kept = len(await runtime.pool.fetch(INSERT, *zip(*map(_row, rows), strict=True))) if rows else 0
        marks = [(mark, record) for record in records if (mark := read_mark(record)) and mark.topic in ours]
        for mark, record in marks:
            self.marks.add(mark, record)
        KEPT.inc(kept)
        REPEATED.inc(len(found) - kept)
        MARKS.inc(len(marks))
        IGNORED.inc(len(records) - len(found) - len(marks))

    async def _idle(self, runtime: Runtime) -> None:
        if await self.marks.honour_next(runtime):
            SENT.inc()


def _row(parked: ParkedRecord) -> tuple[object, ...]:
    place = (parked.place.topic, parked.place.partition, parked.place.offset, parked.place.service)
    return (parked.id, *place, parked.at, parked.reason, parked.cause, parked.source, parked.message_id, parked.digest)


service = Parked()
