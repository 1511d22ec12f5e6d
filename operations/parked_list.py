"""The list of parked records, page by page, each compared with the record that it names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.bus.originals import Originals
from shared.bus.parked_records import Place, digest_of
from shared.bus.topics import PARKED, administration
from shared.runtime.settings import Settings

COLUMNS = 'number, topic, partition, "offset", service, at, reason, digest'
NOT_SENT = """
not exists (select from log.parked_sent s
             where (s.topic, s.partition, s."offset", s.service) = (p.topic, p.partition, p."offset", p.service)
               and (p.digest is null or s.digest = p.digest))
"""
NEWEST = f"select {COLUMNS} from log.parked p where number < $1 and {NOT_SENT} order by number desc limit $2"
OLDEST = f"select {COLUMNS} from log.parked p where number > $1 and {NOT_SENT} order by number limit $2"
OF_CAUSE = f"select {COLUMNS} from log.parked p where cause = $1 order by number limit 100"
COUNT = f"select count(*) from log.parked p where {NOT_SENT}"

PAGE_ROWS = 500
NEWEST_NUMBER = 2**63 - 1
MAX_VALUE_BYTES, MAX_REASON_CHARS = 80, 2_000
"""How much of a record is shown."""


@dataclass(frozen=True)
class Parked:
    """A row of `log.parked`: what the topic says of a record, of which only the digest can be checked."""

    number: int
    place: Place
    at: datetime
    reason: str
    digest: bytes | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Parked:
        return cls(row["number"], Place(*row[1:5]), row["at"], row["reason"], row["digest"])

    async def lines(self, kafka: Originals) -> list[str]:
        """The record for a terminal, compared with the original."""
        original = await kafka.read(self.place.topic_partition, self.place.offset)
        if original is None:
            found = "the topic does not have the record any more, or it cannot be read"
        elif self.digest not in {None, digest_of(original.key, original.value, original.headers)}:
            found = "the topic has another record there: it was made again, or this entry is forged"
        else:
            found = repr((original.value or b"")[:MAX_VALUE_BYTES].decode("utf-8", "replace"))
        reason = self.reason if len(self.reason) <= MAX_REASON_CHARS else self.reason[:MAX_REASON_CHARS] + "…"
        return [
            f"{self.place}  {self.at.isoformat(timespec='seconds')}  {self.place.service}",
            f"    {reason}",
            f"    {found}",
        ]


async def newest(connection: asyncpg.Connection, before: int = NEWEST_NUMBER, limit: int = PAGE_ROWS) -> list[Parked]:
    """The records that were not sent again, the newest first, those with a smaller number than `before`."""
    return [Parked.of(row) for row in await connection.fetch(NEWEST, before, limit)]


async def oldest(connection: asyncpg.Connection) -> AsyncIterator[list[Parked]]:
    """All records that were not sent again and are there now, the oldest first, page by page."""
    last = await connection.fetchval("select max(number) from log.parked")
    number = 0
    while rows := await connection.fetch(OLDEST, number, PAGE_ROWS):
        number = rows[-1]["number"]
        yield [Parked.of(row) for row in rows if row["number"] <= last]
        if number >= last:
            return


async def unread(settings: Settings, kafka: Originals) -> int:
    """The records of the topic `parked` that the service `parked` has not read yet."""
    async with administration(settings) as admin:
        committed = await admin.list_consumer_group_offsets(settings.topic_prefix + PARKED)
    ends = await kafka.ends(settings.topic_prefix + PARKED)
    return sum(max(0, end - (committed[at].offset if at in committed else 0)) for at, end in ends.items())
