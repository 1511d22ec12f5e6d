"""Rebuild views from the log while they are read and kept up to date, and compare the new tables with the old."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from services.views.engine import cursors
from services.views.engine.building import Digest, NewTable, build, builder, digest, sweep
from services.views.engine.cursors import Cursor
from services.views.engine.definition import VIEWS, View
from services.views.engine.swapping import compare, swap
from shared.runtime.waiting import gather_or_cancel


@dataclass(frozen=True)
class Report:
    """The result of rebuilding a view, and whether its rows are equal to the rows before.

    `seconds` passed from the first fact to the last row with its keys, while the other views were built too. `swapped`
    is how many seconds readers could have waited, None where the old table is still in use. `before` and `equal` are
    None where there was nothing to compare with: no table, or a table of another fold.
    """

    view: str
    generation: int
    position: int
    facts: int
    seconds: float
    digest: Digest
    before: Digest | None
    swapped: float | None

    @property
    def equal(self) -> bool | None:
        return None if self.before is None else self.before == self.digest

    @property
    def speed(self) -> float:
        """Facts a second."""
        return self.facts / self.seconds


@dataclass(frozen=True)
class Dropped:
    """The position of a view when it was dropped, and the digest of its rows if this fold had made them."""

    position: int
    digest: Digest | None


@dataclass(frozen=True)
class Built:
    """A new table, the seconds it took, and what it replaces."""

    table: NewTable
    seconds: float
    current: Cursor | None
    dropped: Dropped | None


async def rebuild(
    pool: asyncpg.Pool, views: Sequence[View] = VIEWS, drop: bool = False, accept: bool = False
) -> list[Report]:
    """Build new tables of the views, all at the same time, then replace the tables in use, one after the other.

    A table that differs from the table in use replaces it only with `accept`; else both stay, to be compared.
    With `drop` the public views are dropped first, with the rights on them, and are gone until they are built; Postgres
    refuses that where other views are built on them.
    """
    async with pool.acquire() as connection, builder(connection):
        dropped = await _drop(connection, views) if drop else {}
        current = await cursors.read(connection, views)
        built = await gather_or_cancel(
            _build(pool, view, current.get(view.name), dropped.get(view.name)) for view in views
        )
        return [await _place(pool, connection, table, accept) for table in built]


async def digests(pool: asyncpg.Pool, views: Sequence[View] = VIEWS) -> dict[str, str]:
    """What every view shows now, as a string that is equal for equal rows."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await cursors.read(connection, views)
        shown = [(view, found[view.name].generation) for view in views if view.name in found]
        return {view.name: str(await digest(connection, view, generation)) for view, generation in shown}


async def _build(pool: asyncpg.Pool, view: View, current: Cursor | None, dropped: Dropped | None) -> Built:
    async with pool.acquire() as connection:
        began = time.perf_counter()
        table = await build(connection, view, current, dropped.position if dropped else None)
        return Built(table, time.perf_counter() - began, current, dropped)


async def _place(pool: asyncpg.Pool, connection: asyncpg.Connection, built: Built, accept: bool) -> Report:
    """Compare a new table with the table in use, or with the digest of the dropped table, and swap."""
    table, current, before = built.table, built.current, built.dropped.digest if built.dropped else None
    position, swapped = table.position, None
    facts = await _facts(connection, position)
    if current and current.fold == table.view.version:
        before, after = await compare(pool, connection, table, current)
    else:
        after = await digest(connection, table.view, table.generation)
    if accept or current is None or before is None or before == after:
        swapped = await swap(connection, table)
        await sweep(connection, table.view)
    return Report(table.view.name, table.generation, position, facts, built.seconds, after, before, swapped)


async def _drop(connection: asyncpg.Connection, views: Sequence[View]) -> Mapping[str, Dropped]:
    """Drop every table; return the position of each and its digest there."""
    async with connection.transaction():
        found = await cursors.read(connection, views)
        existing = [view for view in views if view.name in found]
        if existing:
            # Tables before cursors, as a step locks them; and before the digests, so that no step comes between.
            tables = ", ".join(view.table_name(found[view.name].generation) for view in existing)
            await connection.execute(f"lock table {tables} in access exclusive mode")
            found = await cursors.read(connection, views)
        dropped: dict[str, Dropped] = {}
        for view in existing:
            cursor = found[view.name]
            same = cursor.fold == view.version
            before = await digest(connection, view, cursor.generation) if same else None
            dropped[view.name] = Dropped(cursor.position, before)
            await connection.execute(f"drop view registry.{view.name}")
            await connection.execute(f"drop table {view.table_name(cursor.generation)}")
        await connection.execute("delete from registry.cursor where view = any ($1)", [view.name for view in existing])
    return dropped


async def _facts(connection: asyncpg.Connection, upto: int) -> int:
    return int(await connection.fetchval("select count(*) from log.event where position <= $1", upto))
