"""A log that lost its last commits, by a failover or a restore: what a process remembers of them is dropped."""

import json
from typing import Any

import asyncpg
import pytest
from modelog.envelope import derive_id

from services.ingestion.decision import registration
from shared.deciding import snapshots
from shared.deciding.command_handler import CommandHandler
from shared.log import Log
from tests.integration.test_command_handler import logged, register

KEY = b"key"


async def answer(handler: CommandHandler[Any, Any], *runs: str) -> None:
    await handler.answer([register(run) for run in runs])
    if handler.writing_snapshot:
        await handler.writing_snapshot


async def lose(database: str, after: int) -> None:
    """Remove the facts of the stream after this version, as a standby that was promoted may not have them."""
    owner = await asyncpg.connect(database)
    await owner.execute("set session_replication_role = replica")
    await owner.execute("delete from log.event where version > $1", after)
    if after:
        await owner.execute("update log.stream set version = $1", after)
    else:
        await owner.execute("delete from log.stream")
    await owner.close()


async def runs(log: Log) -> list[tuple[str, int]]:
    rows = await log.pool.fetch("select data from log.event where kind = 'model.registered' order by version")
    return [(data["run"], data["version"]) for data in map(json.loads, (row[0] for row in rows))]


@pytest.mark.parametrize("after", [2, 0])
async def test_a_version_that_the_log_lost_is_given_to_the_next_run(log: Log, database: str, after: int) -> None:
    ingestion = CommandHandler(log, registration)
    await answer(ingestion, "1", "2", "3")
    await lose(database, after)
    await answer(ingestion, "4")
    assert (await runs(log))[-1] == ("4", after + 1)


async def test_a_version_that_another_writer_gave_out_again_is_not_given_out_twice(log: Log, database: str) -> None:
    ingestion = CommandHandler(log, registration)
    await answer(ingestion, "1", "2", "3")
    await lose(database, 2)
    await answer(CommandHandler(log, registration), "another 3")
    await answer(ingestion, "another 3", "3")
    assert await runs(log) == [("1", 1), ("2", 2), ("another 3", 3), ("3", 4)]


async def test_a_message_whose_answer_was_lost_is_answered_again(log: Log, database: str) -> None:
    ingestion = CommandHandler(log, registration)
    await answer(ingestion, "1", "2", "3")
    await lose(database, 2)
    await answer(ingestion, "3")
    assert await runs(log) == [("1", 1), ("2", 2), ("3", 3)]


async def test_a_repeated_answer_at_the_same_version_is_another_fact_than_the_lost_one(log: Log, database: str) -> None:
    """Its id is equal, as its cause is; but what lies before it is not what the process knows."""
    ingestion = CommandHandler(log, registration)
    await answer(ingestion, "1", "2", "3")
    await lose(database, 1)
    await answer(CommandHandler(log, registration), "other", "3")
    assert await log.pool.fetchval("select id from log.event where version = 3") == derive_id(
        register("3").cause.id, "ingestion/fraud/0"
    )
    await answer(ingestion, "2")
    assert await runs(log) == [("1", 1), ("other", 2), ("3", 3), ("2", 4)]


@pytest.mark.parametrize("another", [True, False], ids=["another fact is there", "ahead of the log"])
async def test_a_snapshot_that_the_log_does_not_confirm_is_passed_over(
    log: Log, database: str, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_FACTS", 3)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_PER_FACT", 10**9)
    await answer(CommandHandler(log, registration, snapshot_key=KEY), "1", "2", "3")
    assert await log.pool.fetchval("select version from log.state_snapshot") == 3
    await lose(database, 2)
    if another:
        monkeypatch.setattr(snapshots, "SNAPSHOT_FACTS", 100)
        await answer(CommandHandler(log, registration, snapshot_key=KEY), "another 3")
    await answer(CommandHandler(log, registration, snapshot_key=KEY), "4")
    assert (await logged(log))[-1][2] == (4 if another else 3)
    assert (await runs(log))[-1][0] == "4"
