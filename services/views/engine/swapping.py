"""A new table is compared with the table in use, and replaces it between two facts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import asyncpg

from services.views.engine import cursors
from services.views.engine.building import LOCK_TIMEOUT, Digest, NewTable, build, catch_up, digest, sweep
from services.views.engine.cursors import Cursor, CursorMoved
from services.views.engine.definition import View

SWAP_PAUSE_SECONDS = 0.3
"""Between two attempts of a swap that found a reader in its way."""
NEAR_POSITIONS = 1_000
"""The most positions that a swap applies itself, while the follower waits for it."""

POSITION = "select position from registry.cursor where view = $1"


class ColumnsChanged(RuntimeError):
    """The new `view.sql` renames, removes, moves or retypes a column of the public view."""


async def renew(
    connection: asyncpg.Connection, view: View, current: Cursor | None, began: Callable[[NewTable], None]
) -> None:
    """Build a view's first table, or the first of a new fold, and put it in its place."""
    table = await build(connection, view, current, began=began)
    await swap(connection, table)
    await sweep(connection, view)


async def approach(connection: asyncpg.Connection, table: NewTable) -> None:
    """Catch up until a short range is left to the table in use."""
    while (upto := await connection.fetchval(POSITION, table.view.name) or 0) - table.position > NEAR_POSITIONS:
        await catch_up(connection, table, upto)


async def compare(
    pool: asyncpg.Pool, connection: asyncpg.Connection, table: NewTable, current: Cursor
) -> tuple[Digest, Digest]:
    """Digest the table in use and the new table at the same position.

    The cursor is locked until the new table is at its position and a snapshot shows both there. From then on the
    table in use may go on: the snapshot, and REPEATABLE READ to keep it, is of tables that no longer depend on the log.
    """
    await approach(connection, table)
    snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
    async with pool.acquire() as holder, holder.transaction():
        await catch_up(connection, table, await holder.fetchval(f"{POSITION} for update", table.view.name))
        await snapshot.start()
        await connection.execute("select 1")
    try:
        old = await digest(connection, table.view, current.generation)
        return old, await digest(connection, table.view, table.generation)
    finally:
        await snapshot.rollback()


async def swap(connection: asyncpg.Connection, table: NewTable) -> float:
    """Put the new table in its place and return how many seconds readers could have waited."""
    while True:
        await approach(connection, table)
        try:
            return await _swap(connection, table)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(SWAP_PAUSE_SECONDS)


async def _swap(connection: asyncpg.Connection, table: NewTable) -> float:
    view, began = table.view, time.perf_counter()
    async with connection.transaction():
        await connection.execute(LOCK_TIMEOUT)
        upto = await connection.fetchval(f"{POSITION} for update", view.name) or table.position
        await connection.execute(view.merge_sql(table.generation), table.position, upto)
        await _show(connection, view, table.generation)
        await connection.execute(
            "insert into registry.cursor values ($1, $2, $3, $4, $5) on conflict (view) do update "
            "set fold = excluded.fold, digest = excluded.digest, generation = excluded.generation",
            view.name,
            view.version,
            view.digest,
            table.generation,
            upto,
        )
    table.position = upto
    return time.perf_counter() - began


async def show_again(connection: asyncpg.Connection, view: View, generation: int) -> None:
    """Replace the public view over the table in use; raise CursorMoved where that is another by now."""
    used = "select generation from registry.cursor where view = $1 for update"
    while True:
        try:
            async with connection.transaction():
                await connection.execute(LOCK_TIMEOUT)
                if await connection.fetchval(used, view.name) != generation:
                    raise CursorMoved(f"expected generation {generation} of view {view.name} in use, found another")
                return await _show(connection, view, generation)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(SWAP_PAUSE_SECONDS)


async def _show(connection: asyncpg.Connection, view: View, generation: int) -> None:
    """Point the public name at a table, and keep the SQL of both."""
    try:
        await connection.execute(view.show_sql(generation))
    except asyncpg.InvalidTableDefinitionError as error:
        raise ColumnsChanged(
            f"services/views/tables/{view.name}/view.sql: expected the columns of the public view in their order, and "
            f"new columns at the end, found: {error}. Restore them, or make a view of another name"
        ) from error
    await cursors.keep(connection, view, generation)
