"""Connections of the pool on the real Postgres."""

import asyncio

import asyncpg
import pytest

from shared.log import Log
from shared.runtime.postgres import connect, session

LOCKS = """
select count(*) from pg_locks join pg_database d on d.oid = database
 where locktype = 'advisory' and datname = current_database()
"""


async def test_the_settings_and_locks_of_a_session_end_with_its_block(log: Log) -> None:
    async with session(log.pool) as connection:
        await connection.execute("set work_mem = '7MB'; select pg_advisory_lock(7)")
    assert await log.pool.fetchval("show work_mem") != "7MB"
    assert await log.pool.fetchval(LOCKS) == 0


async def interrupted(pool: asyncpg.Pool) -> None:
    """An error in a session while its connection is busy, so that it cannot be reset."""
    async with session(pool) as connection:
        await connection.execute("select pg_advisory_lock(7)")
        busy = asyncio.create_task(connection.execute("select pg_sleep(0.3)"))
        await asyncio.sleep(0)
        busy.add_done_callback(lambda task: task.exception())
        raise ZeroDivisionError


async def test_the_first_error_of_a_session_is_raised_and_its_locks_end_where_it_cannot_be_reset(
    database: str,
) -> None:
    async with await connect(database, None, size=2) as pool:
        with pytest.raises(ZeroDivisionError):
            await interrupted(pool)
        async with asyncio.timeout(10):
            await pool.execute("select pg_advisory_lock(7)")
