"""Cursors in `log.cursor`: a row for each follower that keeps its position there, under its name.

A follower that delivers facts somewhere, in `services/deliveries/app.py`:

    async def deliver(leadership: Leadership, after: int, upto: int) -> None:
        for fact in await leadership.connection.fetch(FACTS, after, upto):
            ...

    service = Follower("deliveries", saved(deliver))
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from shared.log.follower import Leadership, OpenWork
from shared.log.following import Work

READ = "select position from log.cursor where follower = $1"
SAVE = "select log.move_cursor($1, $2)"

Handle = Callable[[Leadership, int, int], Awaitable[None]]
"""Does the facts in (after, upto]."""


async def read_position(connection: asyncpg.Connection, follower: str) -> int:
    """The position up to which this follower has done its work; 0 before it has done any."""
    return int(await connection.fetchval(READ, follower) or 0)


async def save_position(connection: asyncpg.Connection, follower: str, position: int) -> None:
    """Move the cursor of this follower forward, on the connection that holds its lock."""
    await connection.execute(SAVE, follower, position)


@dataclass
class SavedRanges(Work):
    """Work that is one call of `handle` for each range; its cursor is saved after each."""

    position: int
    leadership: Leadership
    handle: Handle

    async def advance(self, upto: int) -> None:
        await self.handle(self.leadership, self.position, upto)
        await save_position(self.leadership.connection, self.leadership.follower, upto)
        self.position = upto


def saved(handle: Handle) -> OpenWork:
    """Call `handle` for each range and save the position afterwards: after an error or a crash a range is repeated."""

    @asynccontextmanager
    async def open_work(leadership: Leadership) -> AsyncIterator[Work]:
        position = await read_position(leadership.connection, leadership.follower)
        yield SavedRanges(position, leadership, handle)

    return open_work
