"""What the relay reads at once is bounded in bytes, before Postgres sends it, and is smaller after a time-out."""

from __future__ import annotations

import json
import uuid

import asyncpg
import pytest
from modelog.envelope import MAX_FACT_BYTES
from modelog.events import ModelRegistered

from services.relay import app, page
from services.relay.page import FACTS_PER_READ, MAX_BYTES_IN_FLIGHT, PAGE, PageSize
from shared.bus.topics import make_topics
from shared.log import Log
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack.waiting import until
from tests.examples import promoted, registered, retired
from tests.integration.relays import META, all_records, append, messages, relaying, until_published

PRINTED = [1e300] * 13_000
"""Stored in about 82 KiB, printed by Postgres in 3.7 MiB."""

UNCHECKED = """
with stream as (insert into log.stream values ('fraud', 1))
insert into log.event (stream, version, kind, id, data, meta)
values ('fraud', 1, 'model.registered', gen_random_uuid(), $1, $2)
"""


@pytest.fixture
async def runtime(settings: Settings, log: Log) -> Runtime:
    await make_topics(settings)
    return Runtime(settings, log.pool, settings.read_policy())


async def read(log: Log, after: int, bytes_: int, facts: int = FACTS_PER_READ) -> list[asyncpg.Record]:
    return list(await log.pool.fetch(PAGE, after, 10**9, facts, bytes_, None, []))


async def test_a_page_ends_with_the_fact_that_exceeds_its_bytes(log: Log) -> None:
    for number in range(5):
        await append(log, f"model-{number}", *(registered(v, parameters={"x": PRINTED}) for v in range(1, 5)))
    limit = MAX_BYTES_IN_FLIGHT // 2
    sizes, after = [], 0
    while facts := await read(log, after, limit):
        after = facts[-1]["position"]
        sizes.append([len(fact["data"]) for fact in facts])
        assert sum(sizes[-1][:-1]) < limit
        assert (facts[-1]["bytes_left"] <= 0) == (after < 20)
    assert min(size for page_sizes in sizes for size in page_sizes) > 3_500_000
    assert [len(page_sizes) for page_sizes in sizes] == [3, 3, 3, 3, 3, 3, 2]


async def test_a_page_has_the_facts_of_a_range_in_order_of_the_kinds_that_were_asked_for(log: Log) -> None:
    await append(log, "fraud", registered(1), promoted(1), retired(1), registered(2))

    async def positions(*arguments: object) -> list[int]:
        return [row["position"] for row in await log.pool.fetch(PAGE, *arguments)]

    assert await positions(1, 3, 10, 10**6, None, []) == [2, 3]
    assert await positions(0, 9, 3, 10**6, None, []) == [1, 2, 3]
    assert await positions(0, 9, 9, 10**6, ["model.registered"], []) == [1, 4]
    assert await positions(0, 9, 9, 10**6, None, ["model.registered"]) == [2, 3]


async def test_a_fact_has_the_epoch_that_began_below_its_position(log: Log, database: str) -> None:
    await append(log, "fraud", registered(1), registered(2), registered(3), registered(4))
    owner = await asyncpg.connect(database)
    await owner.execute("insert into log.epoch (epoch, after_position) values (2, 1), (3, 3)")
    await owner.close()
    assert [fact["epoch"] for fact in await read(log, 0, 10**6)] == [1, 2, 2, 3]


async def test_facts_that_fill_more_than_a_page_are_published(runtime: Runtime) -> None:
    log = Log(runtime.pool)
    for number in range(4):
        await append(log, f"model-{number}", *(registered(v, parameters={"x": PRINTED}) for v in range(1, 4)))
    async with relaying(runtime):
        await until_published(runtime, 12)
    found = await all_records(runtime, ModelRegistered.type)
    assert sorted(message.sequence or 0 for message in messages(found)) == list(range(1, 13))


async def test_a_fact_that_postgres_prints_in_more_bytes_than_are_read_is_published_in_fewer(
    runtime: Runtime, database: str
) -> None:
    """Of a process of an earlier version: the log did not count bytes."""
    fact = registered(1, parameters={"x": [1e300] * 20_000, "y": [0.1, 7, 10**20, "1" + "0" * 60]})
    owner = await asyncpg.connect(database)
    await owner.execute(UNCHECKED, fact.model_dump_json(), json.dumps(META))
    await owner.close()
    assert len((await read(Log(runtime.pool), 0, 10**9))[0]["data"]) > MAX_FACT_BYTES
    async with relaying(runtime):
        await until_published(runtime, 1)
    (message,) = messages(await all_records(runtime, ModelRegistered.type))
    assert isinstance(message.event, ModelRegistered)
    assert message.event.parameters == fact.parameters


async def test_pages_are_smaller_after_the_first_read_was_late(
    runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = PageSize()
    monkeypatch.setattr(app, "PageSize", lambda: size)
    monkeypatch.setattr(page, "READ_TIMEOUT_SECONDS", 0.5)
    await append(Log(runtime.pool), f"model-{uuid.uuid4()}", registered(1))
    owner = await asyncpg.connect(database)
    blocking = owner.transaction()
    await blocking.start()
    await owner.execute("lock table log.epoch in access exclusive mode")
    async with relaying(runtime):

        async def smaller() -> bool:
            return size.max_facts <= FACTS_PER_READ // 4 and size.max_bytes <= MAX_BYTES_IN_FLIGHT // 8

        await until(smaller, "pages of a quarter", seconds=20)
        await blocking.rollback()
        await until_published(runtime, 1)
    await owner.close()
