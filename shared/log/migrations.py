"""Numbered SQL files, each applied once, in order, in a transaction of its own."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import asyncpg

# One migrator at a time in a database; any constant that nothing else here uses.
LOCK = 24300

BOOK = """
create schema if not exists modelog;
create table if not exists modelog.migration (
  name   text primary key,
  sha256 text not null,
  at     timestamptz not null default clock_timestamp()
);
"""


class MigrationChanged(RuntimeError):
    """A file that was applied has been edited since."""


def scripts() -> dict[str, str]:
    """Every migration's SQL by its name, in order."""
    folder = files("shared.log") / "sql"
    return {file.name: file.read_text() for file in sorted(folder.iterdir(), key=lambda file: file.name)}


async def migrate(connection: asyncpg.Connection) -> list[str]:
    """Apply what is missing and return its names; raise MigrationChanged when an applied file differs."""
    await connection.execute("select pg_advisory_lock($1)", LOCK)
    try:
        await connection.execute(BOOK)
        applied = dict(await connection.fetch("select name, sha256 from modelog.migration"))
        return [name for name, sql in scripts().items() if await _apply(connection, name, sql, applied)]
    finally:
        await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _apply(connection: asyncpg.Connection, name: str, sql: str, applied: dict[str, str]) -> bool:
    digest = hashlib.sha256(sql.encode()).hexdigest()
    if name in applied:
        if applied[name] != digest:
            raise MigrationChanged(
                f"{name} was applied with sha256 {applied[name][:12]}…, the file now has {digest[:12]}…: "
                "restore the file and write a new migration"
            )
        return False
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute("insert into modelog.migration (name, sha256) values ($1, $2)", name, digest)
    return True
