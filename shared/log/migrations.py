"""The SQL of the log, applied in the order of its folders, each file in a transaction of its own.

`before`     tables, roles and grants: once, before the first process of new code starts
`functions`  and `triggers`, `create or replace`: again whenever the file has changed
             then the indexes that `before` made ON ONLY a partitioned table are built for each partition (`indexes.py`)
`after`      what only old code needs, dropped: once, when its last process has ended

A function whose signature changes gets a new name: two signatures of a name are ambiguous to callers, and `create or
replace` cannot change the columns of an answer. A file in `after` drops the old function.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from importlib.resources import files

import asyncpg

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

    Names in the table of migrations whose file is gone are left alone. Raise MigrationChanged where a file that is
    applied once differs from what was applied.
    """
    while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110  (no event)
        await asyncio.sleep(LOCK_SECONDS)
    try:
        await connection.execute(BOOK)
        applied = dict(await connection.fetch("select name, sha256 from modelog.migration"))
        done = []
        for folder in ("before", *REPLACED, *(["after"] if after else [])):
            for name, sql in scripts(folder):
                if await _apply(connection, name, sql, applied.get(name), replaced=folder in REPLACED):
                    done.append(name)
        done += await complete_indexes(connection)
        await connection.execute("select log.extend()")  # before the first append, which may come before the relay's
        return done
    finally:
        if not connection.is_closed():  # the lock ended with it, and the first error is raised
            await connection.execute("select pg_advisory_unlock($1)", LOCK)


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
