"""A new table of a view: filled from the log beside the table in use, caught up, digested."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from services.views.engine import cursors
from services.views.engine.cursors import Cursor
from services.views.engine.definition import View
from shared.log.lock_keys import BUILDER

RANGE_POSITIONS = 50_000
"""The positions that a table catches up with in one statement."""
LOCK_TIMEOUT = "set local lock_timeout = '50ms'"
"""For a lock that excludes readers: while a statement waits for it, new readers wait behind that statement."""

# The workers scan and sort, this connection groups and writes: a sort of its own would make them wait.
MEMORY = """
set local work_mem = '256MB';
set local maintenance_work_mem = '256MB';
set local jit = off;
set local parallel_leader_participation = off;
set local enable_incremental_sort = off;
"""


@dataclass(frozen=True)
class Digest:
    """The number of rows in a table, and a hash of all rows that does not depend on their order."""

    rows: int
    hashes: str

    def __str__(self) -> str:
        return f"{self.rows}:{self.hashes}"


@dataclass
class NewTable:
    """A table beside the one in use. `position` is 0 while its first statement runs, which folds up to `target`."""

    view: View
    generation: int
    target: int
    position: int = 0


@asynccontextmanager
async def builder(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Be the only process that builds tables; wait for another to finish."""
    await connection.execute("select pg_advisory_lock($1, $2)", *BUILDER)
    try:
        await cursors.create(connection)
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1, $2)", *BUILDER)


async def build(
    connection: asyncpg.Connection,
    view: View,
    current: Cursor | None,
    upto: int | None = None,
    began: Callable[[NewTable], None] = lambda _table: None,
) -> NewTable:
    """Fold the log up to `upto`, or to where the table in use is, or to its settled end, into a new table."""
    await sweep(connection, view)
    if upto is None:
        upto = current.position if current else await connection.fetchval("select log.settled()")
    table = NewTable(view, current.generation + 1 if current else 1, upto)
    began(table)
    async with connection.transaction():
        await connection.execute(MEMORY)
        await connection.execute(view.create_sql(table.generation, upto))
        await connection.execute(view.keys_sql(table.generation))
    table.position = upto
    return table


async def catch_up(connection: asyncpg.Connection, table: NewTable, upto: int) -> None:
    """Merge what has been logged since, range by range."""
    while table.position < upto:
        top = min(upto, table.position + RANGE_POSITIONS)
        async with connection.transaction():
            await connection.execute(MEMORY)
            await connection.execute(table.view.merge_sql(table.generation), table.position, top)
        table.position = top


async def digest(connection: asyncpg.Connection, view: View, generation: int) -> Digest:
    """Of the rows that the public sees, or would see."""
    rows, low, high = await connection.fetchrow(view.digest_sql(generation))
    return Digest(rows, f"{int(low) % 2**64:016x}{int(high) % 2**64:016x}")


async def sweep(connection: asyncpg.Connection, view: View) -> None:
    """Drop every generation except that in use. A table that is still read is left to the next sweep."""
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'registry'")
    used = await connection.fetchval("select generation from registry.cursor where view = $1", view.name)
    for (table,) in tables:
        found = re.fullmatch(rf"{view.name}_(\d+)", table)
        if found and int(found[1]) != used:
            with suppress(asyncpg.LockNotAvailableError):
                async with connection.transaction():
                    await connection.execute(LOCK_TIMEOUT)
                    await connection.execute(f"drop table registry.{table}")
