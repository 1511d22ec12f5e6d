"""The log: facts by stream, appended at an expected version, read by stream or by position.

Its guarantees are in SQL: `sql/functions/append.sql` and `settled.sql` explain why they are kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from modelog.envelope import Message
from modelog.events import Fact

from shared.log.entries import Append, Head, Known, Reader, read_message

APPEND = "select * from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9)"

CATCH_UP = "select * from log.catch_up($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"

FACTS_AT = """
select position, kind, id, at, data::text, meta::text
  from log.event
 where position = any ($1::bigint[])
"""
# Counted, and not looked for with EXISTS or LIMIT: without statistics the planner would expect to meet a fact of any
# cause soon, and scan the whole log for a cause that has none.
ANSWERED = """
select c.cause
  from unnest($1::uuid[]) c (cause)
 where (select count(*) from log.event where (meta ->> 'cause')::uuid = c.cause) > 0
"""

PARKED = """
select o.topic, o.partition, o."offset", o.digest
  from unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[]) o (topic, partition, "offset", digest)
 where exists (select from log.parked p
                where (p.topic, p.partition, p."offset", p.digest) = (o.topic, o.partition, o."offset", o.digest)
                  and p.service = $1)
"""

Original = tuple[str, int, int, bytes]
"""Topic, partition, offset and digest of a record."""


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

    @asynccontextmanager
    async def locked(self, streams: Iterable[str]) -> AsyncIterator[Log]:
        """The log in a transaction, in which no other writer appends to these streams, as far as they have facts."""
        async with self.pool.acquire() as connection, connection.transaction(isolation="read_committed"):
            await connection.execute("select log.lock_heads($1)", list(streams))
            yield Log(connection)

    async def catch_up(
        self, reader: Reader, known: Mapping[str, Known], causes: Iterable[tuple[str, UUID]], max_bytes: int
    ) -> list[asyncpg.Record]:
        """What is new for `reader` in these streams, and which causes (stream, id) it has answered there.

        `sql/functions/catch_up.sql` describes the rows. About `max_bytes` of facts are read at once: a last row `more`
        names the stream from which to ask again, without the causes.
        """
        causes = list(causes)
        rows: list[asyncpg.Record] = await self.pool.fetch(
            CATCH_UP,
            list(known),
            [history.version for history in known.values()],
            [history.position for history in known.values()],
            [history.id for history in known.values()],
            reader.decider,
            reader.fold,
            reader.source,
            reader.kinds,
            max_bytes,
            [stream for stream, _ in causes],
            [cause for _, cause in causes],
        )
        return rows

    async def facts_at(self, positions: Collection[int]) -> dict[tuple[int, UUID], Message[Fact]]:
        """The facts at these positions as messages, by position and id."""
        rows = await self.pool.fetch(FACTS_AT, list(positions))
        return {(row["position"], row["id"]): read_message(row) for row in rows}

    async def answered(self, causes: Iterable[UUID]) -> set[UUID]:
        """Those of these causes that any fact names, in any stream."""
        return {row["cause"] for row in await self.pool.fetch(ANSWERED, list(causes))}

    async def parked_before(self, service: str, originals: Collection[Original]) -> set[Original]:
        """Those of these records that the service has parked."""
        return {tuple(row) for row in await self.pool.fetch(PARKED, service, *zip(*originals, strict=True))}

    async def settled(self) -> int:
        """The position up to which the log will never change again."""
        return int(await self.pool.fetchval("select log.settled()"))
