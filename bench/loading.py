"""Hundred thousands of facts for the log: histories of a few models, copied under other names."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from bench.events import history
from shared.log import Append, Entry
from stack.disposable import Sandbox

META = json.dumps(
    {
        "source": "/modelog/bench",
        "cause": str(uuid.UUID(int=1)),
        "causation": str(uuid.UUID(int=2)),
        "correlation": str(uuid.UUID(int=3)),
        "actor": "/bench",
        "schema": 1,
    }
)

SNAPSHOT_KEY = b"key"
TEMPLATE = "create unlogged table floor.template (stream text, version int, kind text, data text)"
HEADS = """
insert into log.stream as head (stream, version)
select stream || '-' || copy, max(version) from floor.template, generate_series(1, $1) copy group by 1
    on conflict (stream) do update set version = excluded.version
"""
# All streams grow side by side: LATERAL takes fact by fact and puts it into every stream, OFFSET keeps them sorted.
# Ids are hashed: a random id is a call to the kernel.
FACTS = """
insert into {partition} (stream, version, kind, id, data, meta)
select model, version, kind, md5(model || '/' || version)::uuid, data || jsonb_build_object('model', model), $1::jsonb
  from (select stream, version, kind, data::jsonb as data from floor.template order by version, stream offset 0) fact
 cross join lateral (select stream || '-' || copy as model from generate_series($2::int, $3, $4) copy offset 0) named
"""
WRITERS = 2
"""Connections that write at the same time, each its own streams."""


def appends(models: Sequence[str], each: int) -> Iterator[Append]:
    """The same rows, each as an append."""
    for model, version, kind, data in rows(models, each):
        yield Append(model, version - 1, [Entry(kind, uuid.uuid4(), data, META)])


def rows(models: Sequence[str], each: int, templates: int = 40) -> Iterator[tuple[str, int, str, str]]:
    """Stream, version, kind and data: the first `each` facts of every model, the models in turn."""
    names = [f"template-{n}" for n in range(min(templates, len(models)))]
    histories = [[(fact.type, fact.model_dump_json()) for fact in history(name).grow(each)] for name in names]
    for n in range(each):
        for m, model in enumerate(models):
            kind, data = histories[m % len(names)][n]
            yield model, n + 1, kind, data.replace(names[m % len(names)], model)


async def load(sandbox: Sandbox, facts: int, models: int = 400, templates: int = 40, since: int = 0) -> list[str]:
    """Add at least `facts` facts of `models` models, without the first `since` of each; return the models' names."""
    each, copies = -(-facts // models), models // templates
    names = [f"model-{n}" for n in range(templates)]
    await copy(sandbox, [row for row in rows(names, each) if row[1] > since], copies)
    return [f"{name}-{n}" for n in range(1, copies + 1) for name in names]


async def copy(sandbox: Sandbox, template: Sequence[tuple[str, int, str, str]], copies: int) -> None:
    """Add copies of these facts (stream, version, kind and data), and update the planner's statistics.

    They go into the log's partition while that is detached and without indexes, which are made afterwards.
    """
    async with sandbox.owner(WRITERS) as pool:
        await pool.execute(TEMPLATE)
        await pool.copy_records_to_table("template", schema_name="floor", records=template)
        await pool.execute(HEADS, copies)
        async with _detached(pool) as partition:
            await asyncio.gather(*(_write(pool, partition, first, copies) for first in range(1, WRITERS + 1)))
        await pool.execute("drop table floor.template")
        await pool.execute("select log.extend()")
        await pool.execute("vacuum analyze log.event")


async def _write(pool: asyncpg.Pool, partition: str, first: int, copies: int) -> None:
    async with pool.acquire() as connection:
        await connection.execute("set synchronous_commit = off; set jit = off; set work_mem = '256MB'")
        await connection.execute(FACTS.format(partition=partition), META, first, copies, WRITERS)
        await connection.execute("reset all")


@asynccontextmanager
async def _detached(pool: asyncpg.Pool) -> AsyncIterator[str]:
    """The log's first partition, detached and without indexes; afterwards it is attached again."""
    await pool.execute("alter table log.event detach partition log.event_0")
    await pool.execute("alter table log.event_0 drop constraint event_0_pkey")
    await pool.execute("drop index log.event_0_stream_version_idx")
    yield "log.event_0"
    async with pool.acquire() as connection:
        await connection.execute("set maintenance_work_mem = '512MB'")
        await connection.execute("alter table log.event_0 add primary key (position)")
        await connection.execute("create index event_0_stream_version_idx on log.event_0 (stream, version)")
        await connection.execute("alter table log.event attach partition log.event_0 for values from (0) to (10000000)")


async def logged(pool: asyncpg.Pool) -> int:
    """The last position that was given to a fact."""
    return int(await pool.fetchval("select coalesce(pg_sequence_last_value('log.position'), 0)"))
