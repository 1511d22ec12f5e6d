"""Rebuild views from the log while they are read and kept up to date, and prove that nothing changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from services.views.engine import cursors
from services.views.engine.building import Digest, Green, build, builder, digest, sweep
from services.views.engine.cursors import Cursor
from services.views.engine.definition import VIEWS, View
from services.views.engine.swapping import compare, swap
from shared.runtime.waiting import gather_or_cancel


@dataclass(frozen=True)
class Report:
    """What a rebuild of one view did, and whether its rows are those that were there before.

    `seconds` passed from the first fact to the last row with its keys, while the other views were built too. `before`
    and `equal` are None where there was nothing to compare with: no table, or one of another fold.
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
    """Where a view stood when it was dropped, and what it held if this fold had made it."""

    position: int
    held: Digest | None


@dataclass(frozen=True)
class Built:
    """A new table, the seconds it took, and what it takes the place of."""

    green: Green
    seconds: float
    blue: Cursor | None
    dropped: Dropped | None


async def rebuild(
    pool: asyncpg.Pool, views: Sequence[View] = VIEWS, drop: bool = False, accept: bool = False
) -> list[Report]:
    """Build every view anew, all at the same time, then put one after the other in place of the old one.

    A table that differs from the one in use does not take its place unless `accept` says so; it stays beside it, to be
    looked at. With `drop` the views are dropped first, and are gone until they are built.
    """
    async with pool.acquire() as connection, builder(connection):
        dropped = await _drop(connection, views) if drop else {}
        blues = await cursors.read(connection, views)
        built = await gather_or_cancel(
            _build(pool, view, blues.get(view.name), dropped.get(view.name)) for view in views
        )
        return [await _place(pool, connection, one, accept) for one in built]


async def digests(pool: asyncpg.Pool, views: Sequence[View] = VIEWS) -> dict[str, str]:
    """What every view shows now, as a string that is equal for equal rows."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await cursors.read(connection, views)
        shown = [(view, found[view.name].generation) for view in views if view.name in found]
        return {view.name: str(await digest(connection, view, generation)) for view, generation in shown}


async def _build(pool: asyncpg.Pool, view: View, blue: Cursor | None, dropped: Dropped | None) -> Built:
    async with pool.acquire() as connection:
        began = time.perf_counter()
        green = await build(connection, view, blue, dropped.position if dropped else None)
        return Built(green, time.perf_counter() - began, blue, dropped)


async def _place(pool: asyncpg.Pool, connection: asyncpg.Connection, built: Built, accept: bool) -> Report:
    """Compare a new table with the one in use, or with what the dropped one held, and swap."""
    green, blue, before = built.green, built.blue, built.dropped.held if built.dropped else None
    position, swapped = green.position, None
    facts = await _facts(connection, position)
    if blue and blue.fold == green.view.version:
        before, after = await compare(pool, connection, green, blue)
    else:
        after = await digest(connection, green.view, green.generation)
    if accept or blue is None or before is None or before == after:
        swapped = await swap(connection, green)
        await sweep(connection, green.view)
    return Report(green.view.name, green.generation, position, facts, built.seconds, after, before, swapped)


async def _drop(connection: asyncpg.Connection, views: Sequence[View]) -> Mapping[str, Dropped]:
    """Drop every table; return where each stood and what it held there."""
    async with connection.transaction():
        found = await cursors.read(connection, views)
        mine = [view for view in views if view.name in found]
        if mine:
            # Tables before cursors, as a step takes them; and before the digests, so that no step comes between.
            tables = ", ".join(view.at(found[view.name].generation) for view in mine)
            await connection.execute(f"lock table {tables} in access exclusive mode")
            found = await cursors.read(connection, views)
        dropped: dict[str, Dropped] = {}
        for view in mine:
            cursor = found[view.name]
            same = cursor.fold == view.version
            held = await digest(connection, view, cursor.generation) if same else None
            dropped[view.name] = Dropped(cursor.position, held)
            await connection.execute(f"drop view registry.{view.name}")
            await connection.execute(f"drop table {view.at(cursor.generation)}")
        await connection.execute("delete from registry.cursor where view = any ($1)", [view.name for view in mine])
    return dropped


async def _facts(connection: asyncpg.Connection, upto: int) -> int:
    return int(await connection.fetchval("select count(*) from log.event where position <= $1", upto))
