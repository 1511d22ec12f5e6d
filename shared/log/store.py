"""The log: facts by stream, appended at an expected version, read by stream or by position.

Its guarantees are in SQL: `sql/functions/append.sql` and `settled.sql` explain why they are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

import asyncpg
from modelog.envelope import Message
from modelog.events import Fact

from shared.log.entries import Append, Head, Logged, read_message

APPEND = "select * from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9)"

# LATERAL, so that the index is used once for each stream, whatever the statistics are.
TAILS = """
select c.stream, e.version, e.kind, e.cause, e.data
  from unnest($1::text[], $2::int[]) c (stream, version)
 cross join lateral (
       select version, kind,
              case when meta ->> 'source' = $4 then (meta ->> 'cause')::uuid end as cause,
              case when kind = any ($3) then data end as data
         from log.event
        where stream = c.stream and version > c.version
        order by version
       ) e
"""

FACTS_AT = """
select position, kind, id, at, data::text, meta::text
  from log.event
 where position = any ($1::bigint[])
"""

# LATERAL here too: an index look-up for each cause, and no scan of the log, whatever the statistics are.
ANSWERED = """
select c.cause
  from unnest($1::uuid[]) c (cause)
 cross join lateral (select from log.event where (meta ->> 'cause')::uuid = c.cause limit 1) e
"""


class Log:
    """The log in one Postgres database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    async def append(self, appends: Iterable[Append]) -> dict[str, Head]:
        """Append, once a stream, in one transaction; return the streams that were accepted; the others have moved.

        The same facts at the same versions again are accepted again and written once.
        """
        appends = [append for append in appends if append.entries]
        if not appends:
            return {}
        facts = [
            (append.stream, version, entry)
            for append in appends
            for version, entry in enumerate(append.entries, append.expected + 1)
        ]
        rows = await self.pool.fetch(
            APPEND,
            [append.stream for append in appends],
            [append.expected for append in appends],
            [len(append.entries) for append in appends],
            [stream for stream, _, _ in facts],
            [version for _, version, _ in facts],
            [entry.kind for _, _, entry in facts],
            [entry.id for _, _, entry in facts],
            [entry.data for _, _, entry in facts],
            [entry.meta for _, _, entry in facts],
        )
        return {stream: Head(version, position) for stream, version, position in rows}

    async def tails(self, known: Mapping[str, int], kinds: Iterable[str], source: str) -> list[Logged]:
        """Every fact behind the known version of each stream, in order.

        With `data` for these kinds, and with `cause` for the facts of this source.
        """
        rows = await self.pool.fetch(TAILS, list(known), list(known.values()), list(kinds), source)
        return [Logged(*row) for row in rows]

    async def facts_at(self, positions: Collection[int]) -> dict[tuple[int, UUID], Message[Fact]]:
        """The facts at these positions as messages, by position and id."""
        rows = await self.pool.fetch(FACTS_AT, list(positions))
        return {(row["position"], row["id"]): read_message(row) for row in rows}

    async def answered(self, causes: Iterable[UUID]) -> set[UUID]:
        """Those of these causes that any fact names, in any stream."""
        return {row["cause"] for row in await self.pool.fetch(ANSWERED, list(causes))}

    async def settled(self) -> int:
        """The position up to which the log will never change again."""
        return int(await self.pool.fetchval("select log.settled()"))
