"""Indexes of partitioned tables, built while appends go on.

A file of `before` makes the index ON ONLY the parent, where it is not valid. This builds the missing index of each
partition CONCURRENTLY and attaches it; with the last, the index of the parent becomes valid. Partitions that are made
meanwhile or later get theirs as they are attached. Every step may be interrupted, and is found or done again.
"""

from __future__ import annotations

import asyncpg

# Each partition that an index which is not valid lacks an index of, with the definition.
MISSING = """
select parent.oid::regclass::text as index, part.oid as table_oid, part.oid::regclass::text as table,
       substring(pg_get_indexdef(parent.oid) from ' USING .*') as definition
  from pg_index i
  join pg_class parent on parent.oid = i.indexrelid and parent.relkind = 'I'
  join pg_inherits of_table on of_table.inhparent = i.indrelid
  join pg_class part on part.oid = of_table.inhrelid
 where not i.indisvalid
   and parent.relnamespace = 'log'::regnamespace
   and not exists (
       select from pg_inherits attached
         join pg_index child on child.indexrelid = attached.inhrelid
        where attached.inhparent = parent.oid and child.indrelid = part.oid
       )
 order by parent.oid, part.oid
"""
# What was built before an interruption: valid, or to be dropped.
BUILT = """
select indexrelid::regclass::text as index, indisvalid as valid
  from pg_index
 where indrelid = $1
   and substring(pg_get_indexdef(indexrelid) from ' USING .*') = $2
   and not exists (select from pg_inherits where inhrelid = indexrelid)
"""


async def complete_indexes(connection: asyncpg.Connection) -> list[str]:
    """Build and attach what is missing; return the names of the partitions' indexes. Not inside of a transaction."""
    done = []
    for missing in await connection.fetch(MISSING):
        definition = missing["definition"]
        built = await connection.fetch(BUILT, missing["table_oid"], definition)
        for invalid in (row["index"] for row in built if not row["valid"]):
            await connection.execute(f"drop index concurrently {invalid}")
        if not any(row["valid"] for row in built):
            await connection.execute(f"create index concurrently on {missing['table']}{definition}")
            built = await connection.fetch(BUILT, missing["table_oid"], definition)
        child = next(row["index"] for row in built if row["valid"])
        async with connection.transaction():
            # Readers of the partition wait while this lock is waited for.
            await connection.execute("set local lock_timeout = '2s'")
            await connection.execute(f"alter index {missing['index']} attach partition {child}")
        done.append(child)
    return done
