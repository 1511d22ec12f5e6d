"""A thief of the services' login, and of a reader's: the log refuses what its services do not need."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from operations.logins import logins, set_up_logins
from services.views.engine.rebuild import rebuild
from shared.log import Append, Log
from shared.log.migrations import migrate
from stack import Addresses
from stack.disposable import Sandbox, disposable
from tests.appends import entry, numbered
from tests.integration.login_attacks import ATTACKS, OWNER_OF_ALL
from tests.upgrade.databases import catalog

WAYS = {
    "as services are": "set role modelog_service",
    "without a role": "set role none",
    "with its first role": "reset role",
}
TABLES = """
select relname from pg_class
 where relnamespace in ('log'::regnamespace, 'modelog'::regnamespace) and relkind in ('r', 'p') and not relispartition
"""
COUNTER = "select pg_sequence_last_value('log.position')"


@pytest.fixture(scope="module")
async def registry(stack: Addresses) -> AsyncIterator[Sandbox]:
    """A log with some facts, a cursor, a held topic, and views."""
    async with disposable(stack, "thief", set_up=False) as sandbox:
        async with sandbox.owner() as owner, owner.acquire() as connection:
            await migrate(connection)
            await set_up_logins(connection, logins(sandbox.settings))
            await Log(connection).append([numbered("a", 0, 1, 2), numbered("b", 0, 3)])
            await connection.execute("insert into log.cursor values ('relay', 2)")
            await connection.execute("insert into log.held_topic values ('model.promoted', 1)")
            await connection.execute("insert into log.schedule values ('retirement.tick', '2030-01-01')")
        async with await sandbox.service() as pool:
            await pool.execute("create table registry.mine (x int)")
            await rebuild(pool)
        yield sandbox


@pytest.fixture
async def owner(registry: Sandbox) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**registry.settings.postgres_owner)
    yield connection
    await connection.close()


@pytest.fixture
async def thief(registry: Sandbox) -> AsyncIterator[asyncpg.Connection]:
    """Who has the services' login."""
    connection = await asyncpg.connect(**registry.settings.postgres)
    yield connection
    await connection.close()


@pytest.fixture
async def reader(registry: Sandbox) -> AsyncIterator[asyncpg.Connection]:
    login = registry.settings.postgres_reader
    assert login
    connection = await asyncpg.connect(**login)
    yield connection
    await connection.close()


async def everything(owner: asyncpg.Connection) -> list[Any]:
    """All rows of the log, all its objects with who may do what, and its counter."""
    tables = [table for (table,) in await owner.fetch(TABLES)]
    schemas = {table: "modelog" if table == "migration" else "log" for table in tables}
    rows = [await owner.fetch(f"select t::text from {schemas[t]}.{t} t order by 1") for t in sorted(tables)]
    return [rows, await catalog(owner), await owner.fetchval(COUNTER)]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_a_statement_of_a_thief_is_refused_and_changes_nothing(
    owner: asyncpg.Connection, thief: asyncpg.Connection, attack: str, way: str
) -> None:
    before = await everything(owner)
    await thief.execute(way)
    with pytest.raises(asyncpg.PostgresError):
        await thief.execute(attack.replace(OWNER_OF_ALL, await owner.fetchval("select session_user")))
    assert await everything(owner) == before


def arguments(**other: Any) -> list[Any]:
    """Of an append of two facts to the stream `a`, and one to the stream `c`, some replaced."""
    facts = [entry("a"), entry("a"), entry("c")]
    named = {
        "streams": ["a", "c"],
        "expected": [2, 0],
        "counts": [2, 1],
        "stream": ["a", "a", "c"],
        "version": [3, 4, 1],
        "kind": [fact.kind for fact in facts],
        "id": [fact.id for fact in facts],
        "data": [fact.data for fact in facts],
        "meta": [fact.meta for fact in facts],
    }
    return list({**named, **other}.values())


def data(third: str) -> list[str]:
    return [entry("a").data, entry("a").data, third]


def meta(**third: Any) -> list[str]:
    return [entry("a").meta, entry("a").meta, entry("c", **third).meta]


NOT_FACTS: dict[str, tuple[dict[str, Any], str]] = {
    "a report": ({"kind": ["model.promoted", "model.trained", "model.promoted"]}, "'model.trained', which is no kind"),
    "an unknown kind": ({"kind": ["model.promoted", "model.promoted", "model.sung"]}, "'model.sung', which is no kind"),
    "no kind": ({"kind": ["model.promoted", None, "model.promoted"]}, "NULL, which is no kind"),
    "a gap": ({"version": [3, 5, 1]}, "next versions in order"),
    "a version again": ({"version": [3, 3, 1]}, "next versions in order"),
    "versions in another order": ({"version": [4, 3, 1]}, "next versions in order"),
    "a version that is not next": ({"version": [3, 4, 2]}, "next versions in order"),
    "no version": ({"version": [3, None, 1]}, "next versions in order"),
    "a count that is too high": ({"counts": [3, 1]}, "as many as the counts"),
    "a count that is too low": ({"counts": [1, 1]}, "as many as the counts"),
    "counts that make up for each other": ({"counts": [1, 2]}, "as many as the counts"),
    "a count of 0": ({"counts": [2, 0]}, "some facts for stream c"),
    "a count below 0": ({"counts": [4, -1]}, "some facts for stream c"),
    "no count": ({"counts": [3, None]}, "refused"),
    "arrays of other lengths": ({"id": [uuid4()]}, "six of one length"),
    "a stream twice": (
        {"streams": ["a", "a"], "expected": [2, 2], "stream": ["a", "a", "a"], "version": [3, 4, 3]},
        "expected stream a once",
    ),
    "facts of another stream": ({"stream": ["a", "a", "b"], "data": data(entry("b").data)}, "as many as the counts"),
    "no stream": ({"streams": ["a", None], "stream": ["a", "a", None]}, "expected the name of a model, found NULL"),
    "a name that no model has": (
        {"streams": ["a", "c\n"], "stream": ["a", "a", "c\n"], "data": data(entry("c\n").data)},
        "expected the name of a model",
    ),
    "a long name": (
        {"streams": ["a", "c" * 201], "stream": ["a", "a", "c" * 201], "data": data(entry("c" * 201).data)},
        "expected the name of a model",
    ),
    "an expected version below 0": ({"expected": [2, -1], "version": [3, 4, 0]}, "a version from 0 on"),
    "two facts of an id": ({"id": [UUID(int=9), UUID(int=8), UUID(int=9)]}, "ids that differ"),
    "no id": ({"id": [UUID(int=9), UUID(int=8), None]}, "ids that differ"),
    "data of another model": ({"data": data(entry("b").data)}, "data of another model, or of none"),
    "data of no model": ({"data": data("{}")}, "data of another model, or of none"),
    "data that is a list": ({"data": data('["c"]')}, "data of another model, or of none"),
    "data that is a text": ({"data": data('"c"')}, "data of another model, or of none"),
    "no data": ({"data": [entry("a").data, None, entry("c").data]}, "data of another model, or of none"),
    "too much data": ({"data": data(json.dumps({"model": "c", "x": "y" * 2**22}))}, "more than 4194304 bytes"),
    "numbers that print as too much": (
        {"data": data('{"model": "c", "x": [' + "1e300, " * 20_000 + "1]}")},
        "more than 4194304 bytes",
    ),
    "no cause": ({"meta": meta(cause=None)}, "without cause, source or schema"),
    "a cause that is no uuid": ({"meta": meta(cause="me")}, "a cause that is a uuid"),
    "no source": ({"meta": meta(source=None)}, "without cause, source or schema"),
    "a source that is no text": ({"meta": meta(source=7)}, "without cause, source or schema"),
    "no schema": ({"meta": meta(schema=None)}, "without cause, source or schema"),
    "meta that is a text": ({"meta": [entry("a").meta, '"x"', entry("c").meta]}, "without cause, source or schema"),
    "too much meta": ({"meta": meta(actor="x" * 70_000)}, "meta of more than 65536 bytes"),
}
APPEND = "select * from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9)"


@pytest.mark.parametrize(("other", "sentence"), NOT_FACTS.values(), ids=NOT_FACTS)
async def test_an_append_of_a_thief_that_is_no_append_is_refused_and_changes_nothing(
    owner: asyncpg.Connection, thief: asyncpg.Connection, other: dict[str, Any], sentence: str
) -> None:
    before = await everything(owner)
    with pytest.raises(asyncpg.PostgresError, match="these facts are refused: ") as refused:
        await thief.fetch(APPEND, *arguments(**other))
    assert sentence in str(refused.value)
    assert getattr(refused.value, "sqlstate", None) == "LOG03"
    assert await everything(owner) == before


async def test_the_append_that_these_are_made_of_is_accepted(thief: asyncpg.Connection) -> None:
    transaction = thief.transaction()
    await transaction.start()
    assert len(await thief.fetch(APPEND, *arguments())) == 2
    await transaction.rollback()


async def test_a_stream_of_an_old_name_goes_on(owner: asyncpg.Connection, thief: asyncpg.Connection) -> None:
    async with owner.transaction():
        await owner.execute("insert into log.stream values ('an old name!', 1)")
    accepted = await Log(thief).append([Append("an old name!", 1, [entry("an old name!")])])
    assert accepted["an old name!"].version == 2


@pytest.mark.parametrize("meta", [{"schema": 1}, {"schema": 2}, {"schema": 3, "digest": "x"}])
async def test_facts_of_every_schema_are_accepted(thief: asyncpg.Connection, meta: dict[str, Any]) -> None:
    stream = f"schema {meta['schema']}"
    assert await Log(thief).append([Append(stream, 0, [entry(stream, **meta)])])


LEADING = {
    "back": "select log.move_cursor('relay', 1)",
    "ahead of what is settled": "select log.move_cursor('relay', 1000000)",
    "nowhere": "select log.move_cursor('relay', null)",
    "another follower": "select log.move_cursor('deliveries', 1)",
    "a held topic beyond the cursor": "select log.hold_topics('{model.retired}', '{1000000}')",
    "a held topic below 0": "select log.hold_topics('{model.retired}', '{-1}')",
    "a held topic back": "select log.advance_topics('{model.promoted}', 1, 0)",
    "a held topic ahead of the cursor": "select log.advance_topics('{model.promoted}', 1, 1000000)",
    "nothing at all": "select log.advance_topics('{model.promoted}', null, null)",
}


@pytest.mark.parametrize("attack", LEADING.values(), ids=LEADING)
async def test_a_thief_that_holds_the_lock_moves_no_cursor_back_nor_ahead_of_the_log(
    owner: asyncpg.Connection, thief: asyncpg.Connection, attack: str
) -> None:
    before = await everything(owner)
    await thief.execute("select pg_advisory_lock(24302)")
    with pytest.raises(asyncpg.PostgresError):
        await thief.execute(attack)
    assert await everything(owner) == before


async def test_a_shared_lock_does_not_make_a_leader(thief: asyncpg.Connection) -> None:
    await thief.execute("select pg_advisory_lock_shared(24302)")
    with pytest.raises(asyncpg.PostgresError, match="does not hold the lock"):
        await thief.execute("select log.move_cursor('relay', 2)")


READERS_ROWS = {
    "append": "select log.append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "make partitions": "select log.extend()",
    "lock heads": "select log.lock_heads('{a}')",
    "lead in the place of the relay": "select pg_advisory_lock(24302)",
    "keep readers from new facts": "select pg_advisory_xact_lock_shared((24301::bigint << 48) | 1)",
    "keep setup waiting": "select pg_try_advisory_lock(24300)",
    "keep streams waiting": "select from log.stream for update",
    "act as a service": "set role modelog_service",
    "read snapshots": "select * from log.state_snapshot",
    "read what was parked": "select * from log.parked",
    "read cursors": "select * from log.cursor",
    "change a view's table": "do $$ begin execute (select format('delete from registry.%I', tablename) "
    "from pg_tables where schemaname = 'registry' and tablename like 'model%' limit 1); end $$",
    "change how far the views are": "update registry.cursor set position = 0",
    "make a table of the views": "create table registry.more ()",
}


@pytest.mark.parametrize("attack", (ATTACKS | READERS_ROWS).values(), ids=ATTACKS | READERS_ROWS)
async def test_a_statement_of_a_reader_that_is_more_than_reading_is_refused(
    owner: asyncpg.Connection, reader: asyncpg.Connection, attack: str
) -> None:
    before = await everything(owner)
    await reader.execute("set default_transaction_read_only = off")
    with pytest.raises(asyncpg.PostgresError):
        await reader.execute(attack.replace(OWNER_OF_ALL, await owner.fetchval("select session_user")))
    assert await everything(owner) == before


ASKED = [
    "select version, status, stage, metrics ->> 'auc' as auc from registry.version where model = 'a' order by version",
    "select model, stage, version, previous, since, by from registry.serving",
    "select at, kind, data ->> 'by' as who, data from log.event where stream = 'a' and at < '2036-03-04' "
    "order by position",
    "select * from log.stream, log.epoch",
]


@pytest.mark.parametrize("drop", [False, True], ids=["beside the old tables", "after they were dropped"])
async def test_a_reader_asks_views_and_facts_also_after_a_rebuild(
    registry: Sandbox, reader: asyncpg.Connection, drop: bool
) -> None:
    for query in ASKED:
        await reader.fetch(query)
    async with await registry.service() as pool:
        await rebuild(pool, drop=drop, accept=True)
    for query in ASKED:
        await reader.fetch(query)
    assert await reader.fetchval("show default_transaction_read_only") == "on"
