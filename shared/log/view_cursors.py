"""Reading your own writes: an append returns the position of its fact; wait until the views show it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import asyncpg

POLL_SECONDS = 0.005
"""Between two reads of the cursors."""


async def wait_until(pool: asyncpg.Pool, views: Iterable[str], position: int, within_seconds: float = 10.0) -> None:
    """Return when each of these views shows the facts up to `position`; raise TimeoutError after so many seconds."""
    deadline, names = time.monotonic() + within_seconds, list(views)
    while behind := await _behind(pool, names, position):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"expected the views at {position} in {within_seconds:g} s, found {behind}: "
                "/readyz of the views' process has the reason"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _behind(pool: asyncpg.Pool, views: list[str], position: int) -> dict[str, int]:
    try:
        rows = dict(await pool.fetch("select view, position from registry.cursor"))
    except asyncpg.UndefinedTableError:
        rows = {}
    return {view: rows.get(view, 0) for view in views if rows.get(view, -1) < position}
