"""Blue and green: a new table is filled beside the one in use, proven equal, and takes its place between two facts."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from services.views import cursors
from services.views.cursors import BUILDER, Cursor
from services.views.definition import View

RANGE = 50_000
"""Positions that a table catches up with in one statement."""
PATIENCE = 0.05
"""Seconds for which a swap may wait for a lock, because whoever reads next waits behind it."""
PAUSE = 0.3
"""Seconds until a swap that found a reader in its way tries again."""

MEMORY = """
set local work_mem = '256MB';
set local maintenance_work_mem = '256MB';
set local jit = off;
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


async def follow(connection: asyncpg.Connection, green: Green) -> None:
    """Come as near to the table in use as a short range."""
    ask = "select position from registry.cursor where view = $1"
    while (upto := await connection.fetchval(ask, green.view.name) or 0) - green.position > 1_000:
        await catch_up(connection, green, upto)


async def compare(pool: asyncpg.Pool, green: Green, blue: Cursor) -> tuple[Digest, Digest]:
    """Digest the table in use and the new one at the very same position.

    The cursor is held still until the new table stands where it does and a snapshot shows both there. From then on the
    table in use may go on: the snapshot, and REPEATABLE READ to keep it, is of tables that no longer depend on the log.
    """
    async with pool.acquire() as holder, pool.acquire() as reader:
        async with holder.transaction():
            ask = "select position from registry.cursor where view = $1 for update"
            await catch_up(reader, green, await holder.fetchval(ask, green.view.name))
            snapshot = reader.transaction(isolation="repeatable_read", readonly=True)
            await snapshot.start()
            await reader.execute("select 1")
        try:
            old = await digest(reader, green.view, blue.generation)
            new = await digest(reader, green.view, green.generation)
        finally:
            await snapshot.rollback()
        return old, new


async def digest(connection: asyncpg.Connection, view: View, generation: int) -> Digest:
    """Of the rows that the public sees, or would see."""
    rows, low, high = await connection.fetchrow(view.digested(generation))
    return Digest(rows, f"{int(low) % 2**64:016x}{int(high) % 2**64:016x}")


async def swap(connection: asyncpg.Connection, green: Green) -> float:
    """Put the new table in its place and return how many seconds readers could have waited."""
    while True:
        await follow(connection, green)
        try:
            return await _swap(connection, green)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(PAUSE)


async def _swap(connection: asyncpg.Connection, green: Green) -> float:
    view, began = green.view, time.perf_counter()
    async with connection.transaction():
        await connection.execute(f"set local lock_timeout = '{PATIENCE}s'")
        ask = "select position from registry.cursor where view = $1 for update"
        upto = await connection.fetchval(ask, view.name) or green.position
        await connection.execute(view.merged(green.generation), green.position, upto)
        await show(connection, view, green.generation)
        await connection.execute(
            "insert into registry.cursor values ($1, $2, $3, $4, $5) on conflict (view) do update "
            "set fold = excluded.fold, digest = excluded.digest, generation = excluded.generation",
            view.name,
            view.version,
            view.digest,
            green.generation,
            upto,
        )
    green.position = upto
    return time.perf_counter() - began


async def show(connection: asyncpg.Connection, view: View, generation: int) -> None:
    """Point the public name at a table. Where columns went away it is made anew, without what was granted on it."""
    shown = f"view registry.{view.name} as\n{view.shown(generation)}"
    try:
        async with connection.transaction():
            await connection.execute(f"create or replace {shown}")
    except asyncpg.InvalidTableDefinitionError:
        await connection.execute(f"drop view registry.{view.name}")
        await connection.execute(f"create {shown}")


async def sweep(connection: asyncpg.Connection, view: View) -> None:
    """Drop every generation but the one in use. One that somebody still reads is left to the next sweep."""
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'registry'")
    used = await connection.fetchval("select generation from registry.cursor where view = $1", view.name)
    for (table,) in tables:
        found = re.fullmatch(rf"{view.name}_(\d+)", table)
        if found and int(found[1]) != used:
            with suppress(asyncpg.LockNotAvailableError):
                async with connection.transaction():
                    await connection.execute(f"set local lock_timeout = '{PATIENCE}s'")
                    await connection.execute(f"drop table registry.{table}")


async def renew(connection: asyncpg.Connection, view: View, blue: Cursor | None) -> Green:
    """Build a view's first table, or the first of a new fold, and put it in its place."""
    green = await build(connection, view, blue)
    await swap(connection, green)
    await sweep(connection, view)
    return green
