"""Services in processes of their own on one model: who lost an append takes its turn, and loses no more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from services.ingestion.decision import registration
from shared.deciding.command_handler import CommandHandler
from shared.log import Append, Log
from stack.waiting import until
from tests.appends import numbered
from tests.integration.test_command_handler import logged, register

COMMANDS = 60


class CountingLog(Log):
    """Counts how often each stream is offered to the log before its facts are accepted."""

    def __init__(self, pool: asyncpg.Pool, attempts: Counter[str] | None = None) -> None:
        super().__init__(pool)
        self.attempts = Counter[str]() if attempts is None else attempts

    async def append(self, appends: Iterable[Append]) -> dict[str, Any]:
        appends = [append for append in appends if append.entries]
        self.attempts.update(str(append.entries[0].id) for append in appends)
        return await super().append(appends)

    @asynccontextmanager
    async def locked(self, streams: Iterable[str]) -> AsyncIterator[Log]:
        async with super().locked(streams) as log:
            yield CountingLog(log.pool, self.attempts)


@pytest.mark.parametrize("names", [("ingestion", "another"), ("ingestion", "ingestion")], ids=["two services", "one"])
async def test_each_command_of_two_processes_on_one_model_is_answered_in_at_most_two_attempts(
    log: Log, names: tuple[str, str]
) -> None:
    await CommandHandler(log, registration).answer([register("first")])
    logs = [CountingLog(log.pool) for _ in names]
    handlers = [CommandHandler(own, replace(registration, name=name)) for own, name in zip(logs, names, strict=True)]

    async def answer(handler: CommandHandler[Any, Any], tag: str) -> None:
        for n in range(COMMANDS):
            await handler.answer([register(f"{tag}-{n}")])

    await asyncio.gather(*(answer(handler, str(n)) for n, handler in enumerate(handlers)))
    assert [row[2] for row in await logged(log)] == list(range(1, 2 * COMMANDS + 2))
    attempts = sum((own.attempts for own in logs), Counter[str]())
    assert len(attempts) == 2 * COMMANDS
    assert max(attempts.values()) == 2, "they met, and who lost did not lose again"


async def test_a_writer_waits_for_who_has_the_turn_and_the_readers_of_the_log_do_not(log: Log) -> None:
    await log.append([numbered("a", 0, 1)])
    async with log.locked(["a"]) as own:
        other = asyncio.create_task(log.append([numbered("a", 1, 2)]))
        await until(lambda: log.pool.fetchval("select count(*) from pg_locks where not granted"), "the writer to wait")
        assert (await log.append([numbered("b", 0, 3)]))["b"].version == 1
        assert await log.settled() == await log.pool.fetchval("select max(position) from log.event")
        assert (await own.append([numbered("a", 1, 4)]))["a"].version == 2
        assert not other.done()
    assert await other == {}


async def test_a_turn_that_fails_changes_nothing_and_ends(log: Log) -> None:
    async def fail() -> None:
        async with log.locked(["a", "unknown"]) as own:
            await own.append([numbered("a", 1, 2)])
            raise ZeroDivisionError

    await log.append([numbered("a", 0, 1)])
    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await log.append([numbered("a", 1, 3)]))["a"].version == 2
