"""A registry whose logins somebody has stolen, and all that its log has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from operations.logins import logins, set_up_logins
from services.views.engine.rebuild import rebuild
from shared.log import Log
from shared.log.migrations import migrate
from stack import Addresses
from stack.disposable import Sandbox, disposable
from tests.appends import numbered
from tests.upgrade.databases import catalog

TABLES = """
select relname from pg_class
 where relnamespace in ('log'::regnamespace, 'modelog'::regnamespace) and relkind in ('r', 'p') and not relispartition
"""
COUNTER = "select pg_sequence_last_value('log.position')"


@asynccontextmanager
async def attacked(stack: Addresses) -> AsyncIterator[Sandbox]:
    """A log with some facts, a cursor, a held topic, a schedule, and views."""
    async with disposable(stack, "thief", set_up=False) as sandbox:
        async with sandbox.owner() as owner, owner.acquire() as connection:
            await migrate(connection)
            await set_up_logins(connection, logins(sandbox.settings))
            await Log(connection).append([numbered("a", 0, 1, 2), numbered("b", 0, 3)])
            await connection.execute("insert into log.cursor values ('relay', 2)")
            await connection.execute("insert into log.held_topic values ('model.promoted', 1)")
            await connection.execute("insert into log.schedule values ('retirement.tick', '2030-01-01')")
        async with await sandbox.service() as pool:
            await pool.execute("create table registry.mine (x int)")
            await rebuild(pool)
        yield sandbox


async def everything(owner: asyncpg.Connection) -> list[Any]:
    """All rows of the log, all its objects with who may do what, and its counter."""
    tables = [table for (table,) in await owner.fetch(TABLES)]
    schemas = {table: "modelog" if table == "migration" else "log" for table in tables}
    rows = [await owner.fetch(f"select t::text from {schemas[t]}.{t} t order by 1") for t in sorted(tables)]
    return [rows, await catalog(owner), await owner.fetchval(COUNTER)]
