"""The log in Postgres: appends, their repeats, reading, and what must never change."""

import asyncio
import uuid

import asyncpg
import pytest

from shared.log import Append, Head, Log, Reader
from stack.waiting import until
from tests.appends import KIND, entry, numbered


async def positions(log: Log) -> list[tuple[int, str, int, int]]:
    rows = await log.pool.fetch("select position, stream, version, id from log.event order by position")
    return [(row["position"], row["stream"], row["version"], row["id"].int) for row in rows]


async def test_appended_facts_get_the_next_versions_and_positions(log: Log) -> None:
    assert await log.append([numbered("a", 0, 1, 2)]) == {"a": Head(2, 2)}
    assert await log.append([numbered("a", 2, 3)]) == {"a": Head(3, 3)}
    assert await positions(log) == [(1, "a", 1, 1), (2, "a", 2, 2), (3, "a", 3, 3)]


async def test_each_stream_of_an_append_is_accepted_or_refused_on_its_own(log: Log) -> None:
    await log.append([numbered("a", 0, 1), numbered("b", 0, 2)])
    accepted = await log.append([
        numbered("a", 0, 3), numbered("b", 1, 4, 5),
        numbered("c", 0, 6), numbered("d", 7, 7),
    ])  # fmt: skip
    assert {stream: head.version for stream, head in accepted.items()} == {"b": 3, "c": 1}
    assert [row[1:] for row in await positions(log)] == [
        ("a", 1, 1),
        ("b", 1, 2),
        ("b", 2, 4),
        ("b", 3, 5),
        ("c", 1, 6),
    ]


async def test_the_same_append_again_is_accepted_and_changes_nothing(log: Log) -> None:
    append = [numbered("a", 0, 1, 2), numbered("b", 0, 3)]
    first = await log.append(append)
    await log.append([numbered("b", 1, 4)])
    before = await positions(log)
    assert await log.append(append) == first
    assert await positions(log) == before


async def test_other_facts_at_the_versions_of_a_repeat_are_refused(log: Log) -> None:
    await log.append([numbered("a", 0, 1, 2)])
    assert await log.append([numbered("a", 0, 1, 9)]) == {}
    assert await log.append([numbered("a", 1, 2, 3)]) == {}


async def test_appending_nothing_changes_nothing(log: Log) -> None:
    assert await log.append([Append("a", 0, [])]) == {}
    assert await positions(log) == []


async def test_a_cause_is_answered_when_a_fact_of_any_stream_names_it(log: Log) -> None:
    first, second, third = (uuid.UUID(int=n) for n in (7, 8, 9))
    await log.append([
        Append("a", 0, [entry("a", cause=first), entry("a", cause=first)]),
        Append("b", 0, [entry("b", cause=second), entry("b")]),
    ])  # fmt: skip
    assert await log.answered([first, second, third, first]) == {first, second}
    assert await log.answered([]) == set()


INDEX_SCANS = "select sum(idx_scan) from pg_stat_user_indexes where indexrelname like '%uuid_stream%'"
SCANS = "select coalesce(sum(seq_scan), 0) from pg_stat_user_tables where relname like 'event%'"


@pytest.mark.parametrize("indexed", [True, False])
async def test_causes_are_looked_up_in_their_index_and_found_without_it_too(
    log: Log, database: str, indexed: bool
) -> None:
    owner = await asyncpg.connect(database)
    if not indexed:
        await owner.execute("drop index log.event_cause")
    causes = [uuid.uuid4() for _ in range(600)]
    caused = {stream: [entry(stream, cause=cause) for cause in causes] for stream in "ab"}
    await log.append([Append("a", 0, caused["a"][:500]), Append("b", 0, caused["b"][500:])])
    scans = await owner.fetchval(SCANS)
    asked = [("a", cause) for cause in causes] + [("b", causes[0]), ("b", uuid.uuid4())]
    rows = await log.catch_up(Reader("d", "", "/test", [KIND]), {}, asked, 1000)
    assert {(row["stream"], row["cause"]) for row in rows} == {("a", cause) for cause in causes[:500]}
    assert await log.answered([*causes, uuid.uuid4()]) == set(causes)
    if indexed:
        await until(lambda: owner.fetchval(f"select ({INDEX_SCANS}) >= 2 * {len(causes)}"), "the index to be used")
        assert await owner.fetchval(SCANS) == scans
    await owner.close()


@pytest.mark.parametrize("statement", [
    "update log.event set kind = 'x'", "delete from log.event", "truncate log.event", "truncate log.event_0",
    "delete from log.event_0", "update log.event_0 set data = '{}'", "delete from log.stream", "truncate log.stream",
])  # fmt: skip
async def test_the_log_refuses_to_change_even_for_its_owner(log: Log, database: str, statement: str) -> None:
    await log.append([numbered("a", 0, 1)])
    owner = await asyncpg.connect(database)
    try:
        with pytest.raises(asyncpg.PostgresError, match="the log only grows"):
            await owner.execute(statement)
    finally:
        await owner.close()


@pytest.mark.parametrize("statement", [
    "insert into log.event (stream, version, kind, id, data, meta) values ('a', 1, 'k', gen_random_uuid(), '{}', '{}')",
    "insert into log.stream values ('a', 1)", "update log.stream set version = 9", "select * from log.event_0",
    "select nextval('log.position')", "drop table log.event", "create table log.mine ()",
])  # fmt: skip
async def test_a_service_may_write_by_append_alone(log: Log, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await log.pool.execute(statement)


async def test_appends_go_on_into_the_next_partition(log: Log, database: str) -> None:
    owner = await asyncpg.connect(database)
    for number in range(3):
        await owner.execute("select setval('log.position', $1)", 10_000_000 * (number + 1) - 3)
        await log.pool.execute("select log.extend()")
        first = 5 * number
        assert await log.append([numbered("a", first, *range(first, first + 5))])
    assert [row[2] for row in await positions(log)] == list(range(1, 16))
    assert await log.settled() == (await positions(log))[-1][0]
    with pytest.raises(asyncpg.PostgresError, match="the log only grows"):
        await owner.execute("truncate log.event_20000000")
    await owner.close()


async def test_an_append_makes_the_partition_that_it_lacks(log: Log, database: str) -> None:
    """As the relay would have, which has not run for twenty million facts."""
    owner = await asyncpg.connect(database)
    last = await owner.fetchval("select count(*) from pg_inherits where inhparent = 'log.event'::regclass") * 10_000_000
    await owner.execute("select setval('log.position', $1)", last - 2)
    await log.append([numbered("a", 0, 1)])
    assert (await log.append([numbered("a", 1, 2, 3), numbered("b", 0, 4)])).keys() == {"a", "b"}
    assert [row[1:] for row in await positions(log)] == [("a", 1, 1), ("a", 2, 2), ("a", 3, 3), ("b", 1, 4)]
    assert await log.settled() == (await positions(log))[-1][0]
    with pytest.raises(asyncpg.PostgresError, match="the log only grows"):
        await owner.execute(f"truncate log.event_{last}")
    await owner.close()


async def test_many_appends_at_once_that_lack_a_partition_are_all_written(log: Log, database: str) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute("select setval('log.position', 30000000)")
    await owner.close()
    await asyncio.gather(*(log.append([numbered(f"s{n}", 0, n)]) for n in range(12)))
    assert len(await positions(log)) == 12


async def test_extending_the_log_again_changes_nothing(log: Log) -> None:
    assert await log.pool.fetchval("select log.extend()") == 0


async def test_an_empty_log_is_settled_at_0(log: Log) -> None:
    assert await log.settled() == 0


async def test_nothing_is_settled_behind_an_open_append(log: Log, database: str) -> None:
    await log.append([numbered("a", 0, 1)])
    slow = await asyncpg.connect(database)
    transaction = slow.transaction()
    await transaction.start()
    await Log(slow).append([numbered("s", 0, 9)])
    await log.append([numbered("b", 0, 2)])
    assert await log.settled() == 1
    await transaction.rollback()
    assert await log.settled() == 3
    await slow.close()
