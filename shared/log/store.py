"""The log: facts by stream, appended at an expected version, read by stream or by position.

Everything rests on the SQL beside this file; `log.append` and `log.settled` say there why they are right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg

from shared.log.coalescing import Coalescer
from shared.log.entries import Append, Head, Logged
from shared.log.stream_locks import StreamLocks

APPEND = "select * from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9)"

# LATERAL, so that each stream is one descent of the index whatever the statistics say.
TAILS = """
select c.stream, e.version, e.kind, e.id, e.data
  from unnest($1::text[], $2::int[]) c (stream, version)
 cross join lateral (
       select version, kind,
              case when meta ->> 'source' = $4 then id end as id,
              case when kind = any ($3) then data end as data
         from log.event
        where stream = c.stream and version > c.version
        order by version
       ) e
"""


# A host that vanishes says no goodbye: without these, Postgres holds its locks for two hours and nobody takes over.
KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


async def connect(url: str, role: str | None, size: int = 10) -> asyncpg.Pool:
    """A pool of at most `size` connections that act as `role`, or as who they log in as if it is None.

    A connection comes back to it as it is: whoever gives it settings or locks of its own takes it from `session`.
    """
    settings = {"application_name": "modelog", "idle_in_transaction_session_timeout": "60s", **KEEPALIVE}
    if role is not None:
        settings["role"] = role
    return await asyncpg.create_pool(url, min_size=1, max_size=size, server_settings=settings, reset=_as_it_is)


async def _as_it_is(_connection: asyncpg.Connection) -> None:
    """Of the 250 µs that a small query takes, 65 were spent on forgetting what nobody had set."""


@asynccontextmanager
async def session(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
    """A connection of the pool whose settings and locks end with the block."""
    async with pool.acquire() as connection:
        try:
            yield connection
        finally:
            if not connection.is_closed():
                await connection.reset()


class Log:
    """The log in one Postgres database."""

    def __init__(self, pool: asyncpg.Pool, turns: StreamLocks | None = None) -> None:
        self.pool = pool
        self.turns = turns or StreamLocks()
        self.coalescer = Coalescer(self._write)

    def beside(self) -> Log:
        """The same log for callers who take turns with ours, and whose appends do not wait for ours."""
        return Log(self.pool, self.turns)

    async def append(self, appends: Iterable[Append]) -> dict[str, Head]:
        """Append, one a stream; the answer holds the streams that were accepted, the others have moved.

        All in one transaction, with what others append meanwhile. The very same facts at the same versions again are
        accepted again and written once.
        """
        appends = [append for append in appends if append.entries]
        return await self.coalescer.append(appends) if appends else {}

    async def _write(self, appends: Sequence[Append]) -> dict[str, Head]:
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

        With `data` for the kinds asked for, and with `id` for those that `source` said.
        """
        rows = await self.pool.fetch(TAILS, list(known), list(known.values()), list(kinds), source)
        return [Logged(*row) for row in rows]

    async def settled(self) -> int:
        """The position up to which the log will never change again."""
        return int(await self.pool.fetchval("select log.settled()"))
