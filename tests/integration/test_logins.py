"""A thief of the services' login, and of a reader's: the log refuses what its services do not need."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.views.engine.rebuild import rebuild
from stack.disposable import Sandbox
from tests.integration.login_attacks import ATTACKS, OWNER_OF_ALL
from tests.integration.thieves import everything

WAYS = {
    "as services are": "set role modelog_service",
    "without a role": "set role none",
    "with its first role": "reset role",
}


@pytest.fixture
async def reader(robbed: Sandbox) -> AsyncIterator[asyncpg.Connection]:
    login = robbed.settings.postgres_reader
    assert login
    connection = await asyncpg.connect(**login)
    yield connection
    await connection.close()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_a_statement_of_a_thief_is_refused_and_changes_nothing(
    robbed_owner: asyncpg.Connection, thief: asyncpg.Connection, attack: str, way: str
) -> None:
    before = await everything(robbed_owner)
    await thief.execute(way)
    with pytest.raises(asyncpg.PostgresError):
        await thief.execute(attack.replace(OWNER_OF_ALL, await robbed_owner.fetchval("select session_user")))
    assert await everything(robbed_owner) == before


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
    robbed_owner: asyncpg.Connection, thief: asyncpg.Connection, attack: str
) -> None:
    before = await everything(robbed_owner)
    await thief.execute("select pg_advisory_lock(24302)")
    with pytest.raises(asyncpg.PostgresError):
        await thief.execute(attack)
    assert await everything(robbed_owner) == before


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
    robbed_owner: asyncpg.Connection, reader: asyncpg.Connection, attack: str
) -> None:
    before = await everything(robbed_owner)
    await reader.execute("set default_transaction_read_only = off")
    with pytest.raises(asyncpg.PostgresError):
        await reader.execute(attack.replace(OWNER_OF_ALL, await robbed_owner.fetchval("select session_user")))
    assert await everything(robbed_owner) == before


ASKED = [
    "select version, status, stage, metrics ->> 'auc' as auc from registry.version where model = 'a' order by version",
    "select model, stage, version, previous, since, by from registry.serving",
    "select at, kind, data ->> 'by' as who, data from log.event where stream = 'a' and at < '2036-03-04' "
    "order by position",
    "select * from log.stream, log.epoch",
]


@pytest.mark.parametrize("drop", [False, True], ids=["beside the old tables", "after they were dropped"])
async def test_a_reader_asks_views_and_facts_also_after_a_rebuild(
    robbed: Sandbox, reader: asyncpg.Connection, drop: bool
) -> None:
    for query in ASKED:
        await reader.fetch(query)
    async with await robbed.service() as pool:
        await rebuild(pool, drop=drop, accept=True)
    for query in ASKED:
        await reader.fetch(query)
    assert await reader.fetchval("show default_transaction_read_only") == "on"
