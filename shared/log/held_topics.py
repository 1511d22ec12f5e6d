"""Rows of `log.held_topic`: topics with a position of their own, apart from the relay's cursor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import asyncpg

READ = "select kind, position from log.held_topic"
HOLD = """
insert into log.held_topic (kind, position) select * from unnest($1::text[], $2::bigint[])
on conflict (kind) do update set position = least(held_topic.position, excluded.position)
"""
# Only from the position that the relay has read: a topic that was made again meanwhile is to be filled from 0.
ADVANCE = "update log.held_topic set position = $3 where kind = any ($1) and position = $2"
RELEASE = "delete from log.held_topic where kind = any ($1) and position = $2"
EXISTS = "select to_regclass('log.held_topic') is not null"


async def read_held(connection: asyncpg.Connection) -> dict[str, int]:
    """The position of each held topic, by the kind of its facts."""
    return dict(await connection.fetch(READ))


async def hold(connection: asyncpg.Connection, positions: Mapping[str, int]) -> None:
    """Let the topics of these kinds wait at these positions, or at an earlier position of theirs."""
    await connection.execute(HOLD, list(positions), list(positions.values()))


async def fill_again(connection: asyncpg.Connection, kinds: Iterable[str]) -> None:
    """Have the relay send every fact of these kinds again, from position 0, before it goes on with their topics.

    To be called before a topic is made again. Does nothing in a database without a log.
    """
    if await connection.fetchval(EXISTS):
        await hold(connection, dict.fromkeys(kinds, 0))


async def advance(connection: asyncpg.Connection, kinds: Iterable[str], position: int, upto: int) -> None:
    """The topics of these kinds have their facts up to `upto`, where they are still at `position`."""
    await connection.execute(ADVANCE, list(kinds), position, upto)


async def release(connection: asyncpg.Connection, kinds: Iterable[str], position: int) -> None:
    """The topics of these kinds have all facts that the relay has sent, where they are still at `position`."""
    await connection.execute(RELEASE, list(kinds), position)
