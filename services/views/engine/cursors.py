"""How far each view is, and which SQL made the table in use."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from services.views.engine.definition import SQL, VIEWS, View
from shared.log.follower import StandBy

READ = """
select view, cursor.fold, digest, generation, position, definition.fold, definition.merge, definition.shown
  from registry.cursor
  left join registry.definition using (view, generation)
"""
WRITE = """
insert into registry.definition (view, generation, fold, merge, shown) values ($1, $2, $3, $4, $5)
on conflict (view) do update
   set generation = excluded.generation, fold = excluded.fold, merge = excluded.merge, shown = excluded.shown
"""


class FoldChanged(RuntimeError):
    """The SQL of a view was edited and its version was not raised."""


class NewerFold(StandBy):
    """A later version of the fold made the table in use."""


class CursorMoved(RuntimeError):
    """A cursor is not where this process left it, or its table is another: read the cursors again."""


@dataclass(frozen=True)
class Source:
    """The SQL that made a table, from `registry.definition`."""

    fold: str
    merge: str
    shown: str


@dataclass(frozen=True)
class Cursor:
    """The generation in use, the version and digest of the fold that made it, and how far it is.

    `source` is None where an older version of this program made the table.
    """

    fold: int
    digest: str
    generation: int
    position: int
    source: Source | None

    def is_shown(self, view: View) -> bool:
        """Whether the public view is what it should be."""
        return self.source is not None and self.source.shown == view.show_sql(self.generation)

    def made_by(self, view: View) -> View | None:
        """The view with the SQL that made the table; None where that is of another version and unknown."""
        if self.fold == view.version:
            return view
        if self.source is None:
            return None
        return View(view.name, self.fold, self.source.fold, self.source.merge, table="", view="")


async def create(connection: asyncpg.Connection) -> None:
    """Make the two tables where they are missing."""
    if not await connection.fetchval("select to_regclass('registry.definition')"):
        with suppress(asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):  # another process makes them now
            await connection.execute(SQL["cursor"])


async def read(connection: asyncpg.Connection | asyncpg.Pool, views: Sequence[View] = VIEWS) -> dict[str, Cursor]:
    """The cursors of these views; raise FoldChanged where a fold is not the fold of its version."""
    try:
        rows = await connection.fetch(READ)
    except asyncpg.UndefinedTableError:
        rows = []
    cursors: dict[str, Cursor] = {}
    for name, fold, digest, generation, position, *source in rows:
        known = Source(*source) if source[0] is not None else None
        cursors[name] = Cursor(fold, digest, generation, position, known)
    for view in views:
        cursor = cursors.get(view.name)
        if cursor and cursor.fold == view.version and cursor.digest != view.digest:
            raise FoldChanged(
                f"expected the SQL of view {view.name} that made version {view.version}, found other SQL: "
                f"raise services/views/tables/{view.name}/VERSION to {view.version + 1}, and its table is built again"
            )
    return {view.name: cursors[view.name] for view in views if view.name in cursors}


async def read_not_newer(connection: asyncpg.Connection, views: Sequence[View]) -> dict[str, Cursor]:
    """The same; raise NewerFold where a table is of a later version than this process has."""
    found = await read(connection, views)
    for view in views:
        if view.name in found and (fold := found[view.name].fold) > view.version:
            raise NewerFold(f"view {view.name} is made by fold {fold}, this process has {view.version}")
    return found


async def keep(connection: asyncpg.Connection, view: View, generation: int) -> None:
    """Keep the SQL that made this generation, and the public view over it."""
    await connection.execute(WRITE, view.name, generation, view.fold, view.merge, view.show_sql(generation))
