"""Facts into the log by the hundred thousand: what the services would have said, copied under other names."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence

import asyncpg

from bench.events import History
from bench.place import Place
from shared.log import Append, Entry

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

TEMPLATE = "create temp table template (stream text, version int, kind text, data text) on commit drop"
HEADS = """
insert into log.stream (stream, version)
select stream || '-' || copy, max(version) from template, generate_series(1, $1) copy group by 1
"""
# Every stream has its own order, and all streams grow side by side.
FACTS = """
insert into log.event (stream, version, kind, id, data, meta)
select stream || '-' || copy, version, kind, gen_random_uuid(),
       jsonb_set(data::jsonb, '{model}', to_jsonb(stream || '-' || copy)), $2::jsonb
  from template, generate_series(1, $1) copy
 order by version, copy, stream
"""


def appends(models: Sequence[str], each: int) -> Iterator[Append]:
    """The same, one fact an append."""
    for model, version, kind, data in told(models, each):
        yield Append(model, version - 1, [Entry(kind, uuid.uuid4(), data, META)])


def told(models: Sequence[str], each: int, templates: int = 40) -> Iterator[tuple[str, int, str, str]]:
    """Stream, version, kind and data: the models' histories side by side, so many facts of each."""
    names = [f"template-{n}" for n in range(min(templates, len(models)))]
    said = [[(fact.type, fact.model_dump_json()) for fact in History(name).grow(each)] for name in names]
    for n in range(each):
        for m, model in enumerate(models):
            kind, data = said[m % len(names)][n]
            yield model, n + 1, kind, data.replace(names[m % len(names)], model)


async def load(place: Place, facts: int, models: int = 400, templates: int = 40) -> list[str]:
    """At least so many facts of so many models' histories; return the models."""
    each, copies = -(-facts // models), models // templates
    names = [f"model-{n}" for n in range(templates)]
    await copy(place, list(told(names, each)), copies)
    return [f"{name}-{n}" for n in range(1, copies + 1) for name in names]


async def copy(place: Place, rows: Sequence[tuple[str, int, str, str]], copies: int) -> None:
    """Stream, version, kind and data: so many copies of these facts, and what the planner should know of them."""
    async with place.owner() as pool, pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("set local work_mem = '256MB'")
            await connection.execute(TEMPLATE)
            await connection.copy_records_to_table("template", records=rows)
            await connection.execute(HEADS, copies)
            await connection.execute(FACTS, copies, META)
        await connection.execute("vacuum analyze log.event")


async def logged(pool: asyncpg.Pool) -> int:
    """The last position that was drawn."""
    return int(await pool.fetchval("select coalesce(pg_sequence_last_value('log.position'), 0)"))
