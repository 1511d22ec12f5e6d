"""How far each view has come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.views.engine.definition import SQL, VIEWS, View

BUILDER, PROJECTOR = (24302, 1), (24302, 2)
"""Advisory locks: one process builds tables at a time, one follows the log. The horizon lock has one key, these two."""


class FoldChanged(RuntimeError):
    """A view's SQL has been edited under the same version."""


@dataclass(frozen=True)
class Cursor:
    """A view's newest generation, the version and digest of the fold that made it, and how far it has come."""

    fold: int
    digest: str
    generation: int
    position: int


async def create(connection: asyncpg.Connection) -> None:
    """Have the table of cursors. Not safe beside itself: hold the builder's lock."""
    if not await connection.fetchval("select to_regclass('registry.cursor')"):
        await connection.execute(SQL["cursor"])


async def read(connection: asyncpg.Connection | asyncpg.Pool, views: Sequence[View] = VIEWS) -> dict[str, Cursor]:
    """The cursors of these views; raise FoldChanged where a fold is not what its version says."""
    try:
        rows = await connection.fetch("select view, fold, digest, generation, position from registry.cursor")
    except asyncpg.UndefinedTableError:
        rows = []
    cursors = {row["view"]: Cursor(*row[1:]) for row in rows}
    for view in views:
        cursor = cursors.get(view.name)
        if cursor and cursor.fold == view.version and cursor.digest != view.digest:
            raise FoldChanged(
                f"expected the SQL of view {view.name} that made version {view.version}, found other SQL: "
                f"raise services/views/tables/{view.name}/VERSION to {view.version + 1}, and its table is built anew"
            )
    return {view.name: cursors[view.name] for view in views if view.name in cursors}


async def wait_until(pool: asyncpg.Pool, position: int, within: float = 10.0, views: Sequence[View] = VIEWS) -> None:
    """Return when every view shows the facts up to `position`; raise TimeoutError after so many seconds."""
    deadline = time.monotonic() + within
    while behind := await _behind(pool, position, views):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"expected every view at {position} in {within:g} s, found {behind}: see that a process of views runs"
            )
        await asyncio.sleep(0.005)


async def _behind(pool: asyncpg.Pool, position: int, views: Sequence[View]) -> dict[str, int]:
    try:
        rows = dict(await pool.fetch("select view, position from registry.cursor"))
    except asyncpg.UndefinedTableError:
        rows = {}
    return {view.name: rows.get(view.name, 0) for view in views if rows.get(view.name, -1) < position}
