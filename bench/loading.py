"""Facts into the log by the hundred thousand, past the services: what they would have said, copied under other names."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence

import asyncpg
from modelog.events import Fact

from bench.events import History
from bench.place import Place
from shared.log import Append, Entry, Log

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


def entry(fact: Fact) -> Entry:
    return Entry(fact.type, uuid.uuid4(), fact.model_dump_json(), META)


def registered(models: Iterable[str], facts: int = 3) -> list[Append]:
    """The beginnings of these models' streams."""
    return [Append(model, 0, [entry(fact) for fact in History(model).grow(facts)]) for model in models]


async def load(place: Place, facts: int, models: int = 400, templates: int = 40) -> list[str]:
    """At least so many facts of so many models' histories; return the models."""
    each, copies = -(-facts // models), models // templates
    names = [f"model-{n}" for n in range(templates)]
    rows = [
        (name, version, fact.type, fact.model_dump_json())
        for name in names
        for version, fact in enumerate(History(name).grow(each), 1)
    ]
    await copy(place, rows, copies)
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


async def append(log: Log, appends: Sequence[Append], at_once: int = 100) -> None:
    """Append all of them, streams that nobody else writes."""
    for n in range(0, len(appends), at_once):
        batch = appends[n : n + at_once]
        assert len(await log.append(batch)) == len(batch)
