"""The new table is proven equal to the one in use, and takes its place between two facts."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from services.views.engine.building import PATIENCE, Digest, Green, build, catch_up, digest, sweep
from services.views.engine.cursors import Cursor
from services.views.engine.definition import View

PAUSE = 0.3
"""Seconds until a swap that found a reader in its way tries again."""
NEAR = 1_000
"""Positions that a swap applies itself, while following waits for it."""


async def renew(connection: asyncpg.Connection, view: View, blue: Cursor | None) -> Green:
    """Build a view's first table, or the first of a new fold, and put it in its place."""
    green = await build(connection, view, blue)
    await swap(connection, green)
    await sweep(connection, view)
    return green


async def follow(connection: asyncpg.Connection, green: Green) -> None:
    """Come as near to the table in use as a short range."""
    ask = "select position from registry.cursor where view = $1"
    while (upto := await connection.fetchval(ask, green.view.name) or 0) - green.position > NEAR:
        await catch_up(connection, green, upto)


async def compare(
    pool: asyncpg.Pool, connection: asyncpg.Connection, green: Green, blue: Cursor
) -> tuple[Digest, Digest]:
    """Digest the table in use and the new one at the very same position.

    The cursor is held still until the new table stands where it does and a snapshot shows both there. From then on the
    table in use may go on: the snapshot, and REPEATABLE READ to keep it, is of tables that no longer depend on the log.
    """
    await follow(connection, green)
    snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
    async with pool.acquire() as holder, holder.transaction():
        ask = "select position from registry.cursor where view = $1 for update"
        await catch_up(connection, green, await holder.fetchval(ask, green.view.name))
        await snapshot.start()
        await connection.execute("select 1")
    try:
        old = await digest(connection, green.view, blue.generation)
        return old, await digest(connection, green.view, green.generation)
    finally:
        await snapshot.rollback()


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
        await connection.execute(PATIENCE)
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
