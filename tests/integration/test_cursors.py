"""Cursors of followers: moved by the leader, forward, and no further than the log is settled."""

from __future__ import annotations

import asyncpg
import pytest

from shared.log import Log
from shared.log.cursors import read_position, save_position
from shared.log.follower import try_lock
from shared.log.held_topics import advance, fill_again, hold, read_held
from shared.log.lock_keys import lock_key
from shared.runtime.postgres import session
from tests.appends import numbered

NAMES = ("relay", "views", "deliveries", "checkpoints", "übersicht")


@pytest.mark.parametrize("name", NAMES)
async def test_the_log_knows_the_lock_of_each_follower(database: str, name: str) -> None:
    leader = await asyncpg.connect(database)
    another = await asyncpg.connect(database)
    assert await try_lock(leader, lock_key(name))
    held = [await leader.fetchval("select log.holds_lock($1)", other) for other in NAMES]
    assert held == [other == name for other in NAMES]
    assert not await another.fetchval("select log.holds_lock($1)", name)
    await leader.close()
    await another.close()


async def test_a_leader_moves_its_cursor_forward(log: Log) -> None:
    await log.append([numbered("a", 0, 1, 2)])
    async with session(log.pool) as connection:
        assert await read_position(connection, "deliveries") == 0
        await try_lock(connection, lock_key("deliveries"))
        for position in (1, 2, 2):
            await save_position(connection, "deliveries", position)
            assert await read_position(connection, "deliveries") == position
        with pytest.raises(asyncpg.PostgresError, match="cannot go back to 1"):
            await save_position(connection, "deliveries", 1)
        with pytest.raises(asyncpg.PostgresError, match="cannot be at 3: the log is settled up to 2"):
            await save_position(connection, "deliveries", 3)


async def test_a_cursor_does_not_pass_an_open_transaction(log: Log, database: str) -> None:
    slow = await asyncpg.connect(database)
    transaction = slow.transaction()
    await transaction.start()
    await Log(slow).append([numbered("a", 0, 1)])
    await log.append([numbered("b", 0, 2)])
    async with session(log.pool) as connection:
        await try_lock(connection, lock_key("deliveries"))
        with pytest.raises(asyncpg.PostgresError, match="the log is settled up to 0"):
            await save_position(connection, "deliveries", 2)
        await transaction.commit()
        await save_position(connection, "deliveries", 2)
    await slow.close()


async def test_a_held_topic_waits_and_is_released_at_the_relays_cursor(log: Log, database: str) -> None:
    await log.append([numbered("a", 0, 1, 2, 3)])
    async with session(log.pool) as connection:
        await try_lock(connection, lock_key("relay"))
        await save_position(connection, "relay", 3)
        await hold(connection, {"x": 2, "y": 1, "z": 1})
        await hold(connection, {"x": 1, "y": 3})
        assert await read_held(connection) == {"x": 1, "y": 1, "z": 1}
        await advance(connection, ["x", "y"], 1, 2)
        await advance(connection, ["x"], 1, 3)
        assert await read_held(connection) == {"x": 2, "y": 2, "z": 1}
        await advance(connection, ["x", "y"], 2, 3)
        assert await read_held(connection) == {"z": 1}
    owner = await asyncpg.connect(database)
    await fill_again(owner, ["z", "w"])
    assert await read_held(owner) == {"z": 0, "w": 0}
    await owner.close()
