"""The projector: moves every view and its cursor by the facts of a range, all or none. It knows none of the views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from services.views.engine import cursors
from services.views.engine.building import builder
from services.views.engine.cursors import PROJECTOR, Cursor
from services.views.engine.definition import VIEWS, View, step
from services.views.engine.swapping import renew

# A step folds a handful of facts: it goes by index whatever the statistics say, and is planned once. It needs no wait
# for the disk: rows and cursor are lost together in a crash, and folded again.
SESSION = """
set synchronous_commit = off;
set plan_cache_mode = force_generic_plan;
set jit = off;
set enable_seqscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
"""

MOST = 10_000
"""Positions in one step."""


class CursorMoved(RuntimeError):
    """A cursor is not where it was left, or its table is another: open again."""


class NewerFold(RuntimeError):
    """A later version of the fold made the table in use."""


class Projector:
    """Follows the log on one connection, which holds the lock that makes it the only one."""

    def __init__(self, pool: asyncpg.Pool, connection: asyncpg.Connection, views: Sequence[View] = VIEWS) -> None:
        self.pool = pool
        self.connection = connection
        self.views = self.aim = views
        self.generations: list[int] = []
        self.statement: Any = None

    async def lock(self) -> bool:
        """Whether no other projector works. Should its connection break unseen, the cursors still admit one of two."""
        return bool(await self.connection.fetchval("select pg_try_advisory_lock($1, $2)", *PROJECTOR))

    async def open(self) -> dict[str, Cursor]:
        """Build what is missing or of an older fold, bring all views to one position, and return their cursors."""
        if await self._lacking(self.connection):
            # Only now wait for who else builds: a rebuild swaps one view after the other, and this goes on meanwhile.
            async with self.pool.acquire() as connection, builder(connection):
                for view, cursor in await self._lacking(connection):
                    await renew(connection, view, cursor)
        await self.connection.execute(SESSION)
        found = await self._found()
        top = max(cursor.position for cursor in found.values())
        for view in self.views:
            await self._aim([view], found)
            for after in range(found[view.name].position, top, MOST):
                await self.step(after, min(top, after + MOST))
        await self._aim(self.views, found)
        return await self._found()

    async def step(self, after: int, upto: int) -> int:
        """Fold the facts in (after, upto] and return how many they were; raise Moved if a view stands elsewhere."""
        names = [view.name for view in self.aim]
        try:
            async with self.connection.transaction():
                moved, facts = await self.statement.fetchrow(after, upto, names, self.generations)
                if moved != len(names):
                    raise CursorMoved(f"expected {', '.join(names)} at {after}, found {moved} of {len(names)} there")
        except asyncpg.UndefinedTableError as error:
            raise CursorMoved(str(error)) from error
        return int(facts)

    async def _lacking(self, connection: asyncpg.Connection) -> list[tuple[View, Cursor | None]]:
        """The views that have no table of this version of their fold; raise Newer where it is of a later one."""
        found = await cursors.read(connection, self.views)
        for view in self.views:
            if view.name in found and (fold := found[view.name].fold) > view.version:
                raise NewerFold(f"view {view.name} is made by fold {fold}, this process has {view.version}")
        had = [(view, found.get(view.name)) for view in self.views]
        return [(view, cursor) for view, cursor in had if cursor is None or cursor.fold < view.version]

    async def _found(self) -> dict[str, Cursor]:
        found = await cursors.read(self.connection, self.views)
        if len(found) < len(self.views):
            raise CursorMoved("a view was dropped")
        return found

    async def _aim(self, views: Sequence[View], found: dict[str, Cursor]) -> None:
        """Steps move these views from now on."""
        self.aim = views
        self.generations = [found[view.name].generation for view in views]
        try:
            self.statement = await self.connection.prepare(step(views, self.generations))
        except asyncpg.UndefinedTableError as error:
            raise CursorMoved(str(error)) from error
