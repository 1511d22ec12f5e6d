"""The SQL of the log, applied in the order of its folders, each file in a transaction of its own, but for the
functions.

`before`     tables, roles and grants: once, before the first process of new code starts
             then the kinds of facts of this version are added to `log.kind`
`functions`  all that have changed, at once, because they call each other; and `triggers`: both `create or replace`
             then the indexes that `before` made ON ONLY a partitioned table are built for each partition (`indexes.py`)
`after`      what only old code needs, dropped: once, when its last process has ended; at once in a new database

A function whose signature changes gets a new name: two signatures of a name are ambiguous to callers, and `create or
replace` cannot change the columns of an answer. A file in `after` drops the old function.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files

import asyncpg
from modelog.events import BY_TYPE, Fact

from shared.log.indexes import complete_indexes

LOCK = 24300
"""Advisory lock of a session: a single migrator at a time in a database."""
LOCK_SECONDS = 0.05
"""Between two attempts to lock: CREATE INDEX CONCURRENTLY would wait for a statement that waits for the lock."""

BOOK = """
create schema if not exists modelog;
create table if not exists modelog.migration (
  name   text primary key,
  sha256 text not null,
  at     timestamptz not null default clock_timestamp()
);
"""
RECORD = """
insert into modelog.migration (name, sha256) values ($1, $2)
on conflict (name) do update set (sha256, at) = (excluded.sha256, clock_timestamp())
"""
FACTS = [name for name, event in BY_TYPE.items() if issubclass(event, Fact)]
KINDS = "insert into log.kind (kind) select unnest($1::text[]) on conflict do nothing"
REPLACED = ("functions", "triggers")


class MigrationChanged(RuntimeError):
    """A file of `before` or `after` has been edited since it was applied."""


def scripts(folder: str) -> Iterator[tuple[str, str]]:
    """The SQL files of a folder in order, as (the name in the table of migrations, SQL)."""
    found = (files("shared.log") / "sql" / folder).iterdir()
    for file in sorted(found, key=lambda file: file.name):
        # Databases that were set up when there was a single folder know the files of `before` without it.
        yield file.name if folder == "before" else f"{folder}/{file.name}", file.read_text()


async def migrate(connection: asyncpg.Connection, *, after: bool = False) -> list[str]:
    """Apply what is missing or has changed and return its names; `after` means that no old process runs.

    No old process can run in a database without any migration.

    Names in the table of migrations whose file is gone are left alone. Raise MigrationChanged where a file that is
    applied once differs from what was applied.
    """
    while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110  (no event)
        await asyncio.sleep(LOCK_SECONDS)
    try:
        await connection.execute(BOOK)
        applied = dict(await connection.fetch("select name, sha256 from modelog.migration"))
        after = after or not applied
        done = await _apply_all(connection, "before", applied)
        await connection.execute(KINDS, FACTS)  # before log.append looks for them
        async with connection.transaction():
            done += await _apply_all(connection, "functions", applied)
        done += await _apply_all(connection, "triggers", applied)
        if after:
            done += await _apply_all(connection, "after", applied)
        done += await complete_indexes(connection)
        await connection.execute("select log.extend()")  # before the first append, which may come before the relay's
        return done
    finally:
        if not connection.is_closed():  # the lock ended with it, and the first error is raised
            await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _apply_all(connection: asyncpg.Connection, folder: str, applied: Mapping[str, str]) -> list[str]:
    done = []
    for name, sql in scripts(folder):
        if await _apply(connection, name, sql, applied.get(name), replaced=folder in REPLACED):
            done.append(name)
    return done


async def _apply(connection: asyncpg.Connection, name: str, sql: str, applied: str | None, *, replaced: bool) -> bool:
    digest = hashlib.sha256(sql.encode()).hexdigest()
    if applied == digest:
        return False
    if applied and not replaced:
        raise MigrationChanged(
            f"{name} was applied with sha256 {applied[:12]}…, the file now has {digest[:12]}…: "
            "restore the file and write a new migration"
        )
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute(RECORD, name, digest)
    return True
