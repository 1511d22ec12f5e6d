"""A new table of a view: filled from the log beside the one in use, caught up, digested."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from services.views.engine import cursors
from services.views.engine.cursors import BUILDER, Cursor
from services.views.engine.definition import View

RANGE = 50_000
"""Positions that a table catches up with in one statement."""
PATIENCE = "set local lock_timeout = '50ms'"
"""A lock that nobody can read past is not waited for longer: whoever reads next waits behind it."""

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
    """What a table holds: the number of its rows, and hashes of them in any order."""

    rows: int
    hashes: str

    def __str__(self) -> str:
        return f"{self.rows}:{self.hashes}"


@dataclass
class Green:
    """A table beside the one in use, and how far it has come."""

    view: View
    generation: int
    position: int


@asynccontextmanager
async def builder(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Be the only one who builds tables; wait for who does."""
    await connection.execute("select pg_advisory_lock($1, $2)", *BUILDER)
    try:
        await cursors.create(connection)
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1, $2)", *BUILDER)


async def build(connection: asyncpg.Connection, view: View, blue: Cursor | None, upto: int | None = None) -> Green:
    """Fold the log up to `upto`, or where the table in use stands, or to its settled end, into a table of its own."""
    await sweep(connection, view)
    generation = blue.generation + 1 if blue else 1
    async with connection.transaction():
        await connection.execute(MEMORY)
        if upto is None:
            upto = blue.position if blue else await connection.fetchval("select log.settled()")
        await connection.execute(view.built(generation, upto))
        await connection.execute(view.keyed(generation))
    return Green(view, generation, upto)


async def catch_up(connection: asyncpg.Connection, green: Green, upto: int) -> None:
    """Merge what has been logged since, range by range."""
    while green.position < upto:
        top = min(upto, green.position + RANGE)
        async with connection.transaction():
            await connection.execute(MEMORY)
            await connection.execute(green.view.merged(green.generation), green.position, top)
        green.position = top


async def digest(connection: asyncpg.Connection, view: View, generation: int) -> Digest:
    """Of the rows that the public sees, or would see."""
    rows, low, high = await connection.fetchrow(view.digested(generation))
    return Digest(rows, f"{int(low) % 2**64:016x}{int(high) % 2**64:016x}")


async def sweep(connection: asyncpg.Connection, view: View) -> None:
    """Drop every generation but the one in use. One that somebody still reads is left to the next sweep."""
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'registry'")
    used = await connection.fetchval("select generation from registry.cursor where view = $1", view.name)
    for (table,) in tables:
        found = re.fullmatch(rf"{view.name}_(\d+)", table)
        if found and int(found[1]) != used:
            with suppress(asyncpg.LockNotAvailableError):
                async with connection.transaction():
                    await connection.execute(PATIENCE)
                    await connection.execute(f"drop table registry.{table}")
