"""Databases as commit ea756c9 set them up, and a database as the catalog of Postgres describes it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from shared.log.migrations import BOOK
from stack import Addresses
from stack.disposable import disposable

OLD_SQL = Path(__file__).parent / "sql_ea756c9"

CATALOG = """
with relation as (
  select c.*, n.nspname || '.' || c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname in ('log', 'registry', 'modelog')
), grants (what, object, grants) as (
  select 'schema', nspname, nspacl from pg_namespace where nspname in ('log', 'registry', 'modelog')
  union all select 'relation', name, relacl from relation
  union all select 'function', oid::regprocedure::text, proacl from pg_proc where pronamespace = 'log'::regnamespace
), line as (
  select concat_ws(' ', 'relation', name, relkind, reloptions, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid))
    from relation
  union all
  select concat_ws(' ', 'column', name, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attstorage,
                   attcollation::regcollation, pg_get_expr(adbin, adrelid))
    from relation join pg_attribute on attrelid = oid and attnum > 0 and not attisdropped
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
  union all
  select concat_ws(' ', 'constraint', name, conname, pg_get_constraintdef(pg_constraint.oid))
    from relation join pg_constraint on conrelid = relation.oid
  union all
  select concat_ws(' ', 'index', pg_get_indexdef(indexrelid)) from relation join pg_index on indrelid = oid
  union all
  select concat_ws(' ', 'function', pg_get_functiondef(oid)) from pg_proc where pronamespace = 'log'::regnamespace
  union all
  select concat_ws(' ', 'trigger', name, pg_get_triggerdef(pg_trigger.oid), tgenabled)
    from relation join pg_trigger on tgrelid = relation.oid
  union all
  select concat_ws(' ', 'sequence', seqrelid::regclass, seqstart, seqincrement, seqcache) from pg_sequence
  union all
  select concat_ws(' ', 'grant', what, object, grantee, string_agg(privilege_type, ' ' order by privilege_type))
    from grants, lateral (select coalesce(nullif(g.grantee, 0)::regrole::text, 'public') as grantee, privilege_type
                            from aclexplode(grants) g) granted
   group by what, object, grantee
)
select line from line as l (line) order by line collate "C"
"""


@asynccontextmanager
async def empty_database(servers: Addresses) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """A database with nothing in it: its address, and a connection of its owner."""
    async with disposable(servers, "upgrade", set_up=False) as sandbox:
        connection = await asyncpg.connect(sandbox.addresses.owner)
        try:
            yield sandbox.addresses.owner, connection
        finally:
            await connection.close()


async def set_up_as_ea756c9(connection: asyncpg.Connection) -> None:
    """What `setup` of that commit did: every file once, in order of name, and its digest recorded."""
    await connection.execute(BOOK)
    for file in sorted(OLD_SQL.glob("*.sql")):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        await connection.execute(file.read_text())
        await connection.execute("insert into modelog.migration (name, sha256) values ($1, $2)", file.name, digest)


async def catalog(connection: asyncpg.Connection) -> list[str]:
    """A line for each relation, column, constraint, index, function, trigger, sequence and grant, in order."""
    return [line for (line,) in await connection.fetch(CATALOG)]
