"""Rows of `log.held_topic`: topics with a position of their own, apart from the relay's cursor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import asyncpg

READ = "select kind, position from log.held_topic"
HOLD = "select log.hold_topics($1, $2)"
ADVANCE = "select log.advance_topics($1, $2, $3)"
FILL_AGAIN = """
insert into log.held_topic (kind, position) select kind, 0 from unnest($1::text[]) kind
on conflict (kind) do update set position = 0
"""
EXISTS = "select to_regclass('log.held_topic') is not null"


async def read_held(connection: asyncpg.Connection) -> dict[str, int]:
    """The position of each held topic, by the kind of its facts."""
    return dict(await connection.fetch(READ))


async def hold(connection: asyncpg.Connection, positions: Mapping[str, int]) -> None:
    """Let the topics of these kinds wait at these positions, or at an earlier position of theirs.

    None is beyond the relay's cursor, and the session of the relay that leads calls it.
    """
    await connection.execute(HOLD, list(positions), list(positions.values()))


async def fill_again(connection: asyncpg.Connection, kinds: Iterable[str]) -> None:
    """Have the relay send every fact of these kinds again, from position 0, before it goes on with their topics.

    To be called by the owner, before a topic is made again. Does nothing in a database without a log.
    """
    if await connection.fetchval(EXISTS):
        await connection.execute(FILL_AGAIN, list(kinds))


async def advance(connection: asyncpg.Connection, kinds: Iterable[str], position: int, upto: int) -> None:
    """The topics of these kinds have their facts up to `upto`, where they are still at `position`.

    At the relay's own cursor they are held no more.
    """
    await connection.execute(ADVANCE, list(kinds), position, upto)
