"""Rebuild views from the log while they are read and kept up to date, and prove that nothing changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from services.views import cursors
from services.views.building import Digest, build, builder, digest, sweep
from services.views.cursors import Cursor
from services.views.definition import VIEWS, View
from services.views.swapping import compare, swap


@dataclass(frozen=True)
class Report:
    """What a rebuild of one view did, and whether its rows are those that were there before.

    `before` and `equal` are None where there was nothing to compare with: no table, or one of another fold.
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
        """Facts a second, from the first to the last row with its keys."""
        return self.facts / self.seconds


async def rebuild(
    pool: asyncpg.Pool, views: Sequence[View] = VIEWS, drop: bool = False, accept: bool = False
) -> list[Report]:
    """Build each view anew and put it in place of the old one.

    A table that differs from the one in use does not take its place unless `accept` says so; it stays beside it, to be
    looked at. With `drop` the views are dropped first, and are gone until they are built.
    """
    async with pool.acquire() as connection, builder(connection):
        if drop:
            dropped = await _drop(connection, views)
            return [await _build_dropped(connection, view, dropped) for view in views]
        return [await _build_beside(pool, connection, view, accept) for view in views]


async def digests(pool: asyncpg.Pool, views: Sequence[View] = VIEWS) -> dict[str, str]:
    """What every view shows now, as a string that is equal for equal rows."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await cursors.read(connection, views)
        shown = [(view, found[view.name].generation) for view in views if view.name in found]
        return {view.name: str(await digest(connection, view, generation)) for view, generation in shown}


async def _build_beside(pool: asyncpg.Pool, connection: asyncpg.Connection, view: View, accept: bool) -> Report:
    blue = (await cursors.read(connection, [view])).get(view.name)
    began = time.perf_counter()
    green = await build(connection, view, blue)
    seconds, facts = time.perf_counter() - began, await _facts(connection, green.position)
    before = None
    if blue and blue.fold == view.version:
        before, after = await compare(pool, connection, green, blue)
    else:
        after = await digest(connection, view, green.generation)
    position, swapped = green.position, None
    if accept or before is None or before == after:
        swapped = await swap(connection, green)
        await sweep(connection, view)
    return Report(view.name, green.generation, position, facts, seconds, after, before, swapped)


async def _drop(connection: asyncpg.Connection, views: Sequence[View]) -> Mapping[str, tuple[Cursor, Digest | None]]:
    """Drop every table; return where each stood and what it held there."""
    async with connection.transaction():
        found = await cursors.read(connection, views)
        mine = [view for view in views if view.name in found]
        if mine:
            # Tables before cursors, as a step takes them; and before the digests, so that no step comes between.
            tables = ", ".join(view.at(found[view.name].generation) for view in mine)
            await connection.execute(f"lock table {tables} in access exclusive mode")
            found = await cursors.read(connection, views)
        dropped: dict[str, tuple[Cursor, Digest | None]] = {}
        for view in mine:
            cursor = found[view.name]
            same = cursor.fold == view.version
            dropped[view.name] = cursor, await digest(connection, view, cursor.generation) if same else None
            await connection.execute(f"drop view registry.{view.name}")
            await connection.execute(f"drop table {view.at(cursor.generation)}")
        await connection.execute("delete from registry.cursor where view = any ($1)", [view.name for view in mine])
    return dropped


async def _build_dropped(
    connection: asyncpg.Connection, view: View, dropped: Mapping[str, tuple[Cursor, Digest | None]]
) -> Report:
    cursor, before = dropped.get(view.name, (None, None))
    began = time.perf_counter()
    green = await build(connection, view, None, cursor.position if cursor else None)
    seconds, facts = time.perf_counter() - began, await _facts(connection, green.position)
    after = await digest(connection, view, green.generation)
    swapped = await swap(connection, green)
    return Report(view.name, green.generation, green.position, facts, seconds, after, before, swapped)


async def _facts(connection: asyncpg.Connection, upto: int) -> int:
    return int(await connection.fetchval("select count(*) from log.event where position <= $1", upto))
