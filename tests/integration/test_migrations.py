"""Migrations: applied once or replaced, on a fresh database and on one of commit ea756c9 alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from modelog.events import BY_TYPE, Fact

from shared.log import Log, migrations
from shared.log.indexes import complete_indexes
from shared.log.migrations import MigrationChanged, migrate, scripts
from shared.runtime.postgres import connect
from stack import Addresses
from stack.waiting import until
from tests.appends import numbered
from tests.upgrade.databases import catalog, empty_database, set_up_as_ea756c9

WAITING = "select count(*) from pg_stat_progress_create_index where phase like 'waiting%'"


@pytest.fixture
async def owner(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Who set the database up."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def put_before(monkeypatch: pytest.MonkeyPatch, folder: str, name: str, sql: str) -> None:
    """Let this file be in a folder, in the place of its namesake."""
    original = scripts

    def found(asked: str) -> Iterator[tuple[str, str]]:
        files = dict(original(asked))
        return iter({**files, name: sql}.items() if asked == folder else files.items())

    monkeypatch.setattr(migrations, "scripts", found)


async def test_migrating_again_changes_nothing(owner: asyncpg.Connection) -> None:
    before = await catalog(owner)
    assert await migrate(owner) == []
    assert await catalog(owner) == before


async def test_an_upgraded_database_has_the_same_objects_as_a_fresh_database_when_old_processes_are_gone(
    stack: Addresses,
) -> None:
    async with empty_database(stack) as (_, fresh), empty_database(stack) as (_, upgraded):
        await migrate(fresh)
        await set_up_as_ea756c9(upgraded)
        await migrate(upgraded)
        missing = set(await catalog(fresh)) - set(await catalog(upgraded))
        assert not [line for line in missing if not line.startswith("grant ")], "old processes need more, not less"
        await migrate(upgraded, after=True)
        assert await catalog(upgraded) == await catalog(fresh)


async def test_the_kinds_of_this_version_are_added_and_others_stay(owner: asyncpg.Connection) -> None:
    await owner.execute(
        "delete from log.kind where kind = 'model.promoted'; insert into log.kind values ('model.sung')"
    )
    await migrate(owner)
    kinds = {kind for (kind,) in await owner.fetch("select kind from log.kind")}
    assert kinds == {name for name, event in BY_TYPE.items() if issubclass(event, Fact)} | {"model.sung"}


async def test_an_upgrade_leaves_facts_and_the_table_of_old_snapshots_to_old_processes(stack: Addresses) -> None:
    async with empty_database(stack) as (url, old):
        await set_up_as_ea756c9(old)
        async with await connect(url, "modelog_service") as pool:
            await Log(pool).append([numbered("a", 0, 1, 2)])
            await migrate(old)
            await pool.execute("insert into log.snapshot values ('a', 'd', 'f', 1, now(), '{}', '', '{}')")
            assert (await Log(pool).append([numbered("a", 2, 3)]))["a"].position == 3
            assert await pool.fetchval("select count(*) from log.event") == 3


async def test_the_old_setup_finds_all_its_files_applied_after_an_upgrade(stack: Addresses) -> None:
    async with empty_database(stack) as (_, database):
        await set_up_as_ea756c9(database)
        book = "select name, sha256 from modelog.migration"
        before = await database.fetch(book)
        await migrate(database)
        assert set(before) <= set(await database.fetch(book))


AFTER = [name for name, _ in scripts("after")]


async def test_what_only_old_processes_need_is_dropped_when_they_are_gone(stack: Addresses) -> None:
    async with empty_database(stack) as (_, database):
        await set_up_as_ea756c9(database)
        assert not set(AFTER) & set(await migrate(database))
        assert await database.fetchval("select to_regclass('log.snapshot') is not null")
        assert await database.fetchval("select has_table_privilege('modelog_service', 'log.cursor', 'update')")
        assert await migrate(database, after=True) == AFTER
        assert await database.fetchval("select to_regclass('log.snapshot') is null")
        assert not await database.fetchval("select has_table_privilege('modelog_service', 'log.cursor', 'update')")
        assert await migrate(database, after=True) == []


async def test_a_new_database_has_nothing_for_old_processes(stack: Addresses) -> None:
    async with empty_database(stack) as (_, database):
        assert set(AFTER) <= set(await migrate(database))


async def test_functions_that_call_each_other_are_replaced_at_once(
    owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = dict(scripts("functions"))["functions/append.sql"]
    put_before(monkeypatch, "functions", "functions/append.sql", append.replace("fault_in_append", "zz_missing"))
    put_before(monkeypatch, "functions", "functions/zz_wrong.sql", "select 1 / 0")
    before = await catalog(owner)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(owner)
    assert await catalog(owner) == before


@pytest.mark.parametrize("name", ["0001_schema.sql", "after/0001_drop_snapshot.sql"])
async def test_a_file_that_was_edited_after_it_was_applied_stops_the_next_setup(
    owner: asyncpg.Connection, name: str
) -> None:
    await migrate(owner, after=True)
    await owner.execute("update modelog.migration set sha256 = 'other' where name = $1", name)
    with pytest.raises(MigrationChanged, match=f"{name} was applied .* restore the file and write a new migration"):
        await migrate(owner, after=True)


async def test_a_function_that_was_edited_is_replaced(
    owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "functions/settled.sql"
    edited = dict(scripts("functions"))[name].replace("return least(top, held)", "return least(held, top)")
    put_before(monkeypatch, "functions", name, edited)
    assert await migrate(owner) == [name]
    assert any("return least(held, top)" in line for line in await catalog(owner))
    assert await migrate(owner) == []


async def test_a_trigger_that_was_edited_is_replaced_on_every_partition(
    owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "triggers/event.sql"
    edited = dict(scripts("triggers"))[name].replace("before update or delete", "before update or delete or insert")
    put_before(monkeypatch, "triggers", name, edited)
    assert await migrate(owner) == [name]
    row_triggers = [line for line in await catalog(owner) if "refuse_change" in line]
    assert len(row_triggers) == 3
    assert all("BEFORE INSERT OR DELETE OR UPDATE" in line for line in row_triggers)


async def test_a_file_that_fails_is_not_recorded_and_is_applied_by_the_next_setup(
    owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        put_before(patch, "before", "9999_new.sql", "create table log.new (); select 1 / 0")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(owner)
    put_before(monkeypatch, "before", "9999_new.sql", "create table log.new ()")
    assert await migrate(owner) == ["9999_new.sql"]


async def test_two_setups_at_once_apply_every_file_once(stack: Addresses) -> None:
    async with empty_database(stack) as (url, first):
        second = await asyncpg.connect(url)
        done = await asyncio.gather(migrate(first), migrate(second))
        await second.close()
        assert sorted(map(bool, done)) == [False, True]


@asynccontextmanager
async def without_index(stack: Addresses) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Pool]]:
    """A database of ea756c9 with a fact, where the index of the causes is made and built for no partition yet."""
    async with empty_database(stack) as (url, owner):
        await set_up_as_ea756c9(owner)
        await owner.execute(dict(scripts("before"))["0016_event_cause.sql"])
        async with asyncpg.create_pool(url, min_size=1, max_size=4) as pool:
            await Log(pool).append([numbered("a", 0, 1)])
            yield owner, pool


@asynccontextmanager
async def building(owner: asyncpg.Connection, pool: asyncpg.Pool) -> AsyncIterator[asyncio.Task[list[str]]]:
    """The index is being built, and waits for a transaction that has appended and ends with the block."""
    async with pool.acquire() as connection, connection.transaction():
        await Log(connection).append([numbered("open", 0, 7)])
        task = asyncio.create_task(complete_indexes(owner))
        await until(lambda: pool.fetchval(WAITING), "the building to wait")
        yield task


async def invalid_indexes(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("select count(*) from pg_index where not indisvalid"))


async def test_appends_go_on_while_the_index_of_a_partition_is_built(stack: Addresses) -> None:
    async with without_index(stack) as (owner, pool):
        async with building(owner, pool) as task:
            assert await Log(pool).append([numbered("a", 1, 2)])
            await pool.execute("select setval('log.position', 5000000)")
            assert await pool.fetchval("select log.extend()") == 1
            assert not task.done()
        assert len(await task) == 2, "the new partition has its index already"
        assert await invalid_indexes(owner) == 0
        assert await complete_indexes(owner) == []


async def test_an_index_whose_building_was_interrupted_is_built_again(stack: Addresses) -> None:
    async with without_index(stack) as (owner, pool):
        async with building(owner, pool) as task:
            await pool.execute("select pg_terminate_backend($1)", owner.get_server_pid())
            with pytest.raises(asyncpg.PostgresError):
                await task
        async with pool.acquire() as another:
            assert await invalid_indexes(another) == 2, "that of the table and that of the partition"
            assert len(await complete_indexes(another)) == 2
            assert await invalid_indexes(another) == 0


def test_every_function_decides_who_may_call_it() -> None:
    for name, sql in scripts("functions"):
        assert sql.count("create or replace function log.") == 1, name
        assert f"create or replace function log.{Path(name).stem}(" in sql, name
        assert f"revoke execute on function log.{Path(name).stem}(" in sql, name
