"""A process that has just begun, on streams that are long: it reads in pages, and others get their turn."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from services.ingestion.decision import registration
from shared.deciding import catching_up, slices, snapshots
from shared.deciding.command_handler import Answered, CommandHandler
from shared.log import Log
from tests.integration.test_command_handler import register

KEY = b"key"
MODELS, RUNS = ("a", "b", "c", "d"), 60


@pytest.fixture
async def long_log(log: Log) -> Log:
    """Every model has its runs."""
    await CommandHandler(log, registration).answer([register(f"run-{n}", m) for m in MODELS for n in range(RUNS)])
    return log


async def test_long_streams_are_read_in_pages_and_each_fact_is_folded_once(
    long_log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, read = list[int](), long_log.catch_up

    async def counted(*args: Any) -> list[Any]:
        rows = await read(*args)
        pages.append(len(rows))
        return rows

    monkeypatch.setattr(long_log, "catch_up", counted)
    monkeypatch.setattr(catching_up, "MAX_PAGE_BYTES", 10_000)
    cold, warm = (
        CommandHandler(long_log, registration, snapshot_key=KEY),
        CommandHandler(long_log, registration, snapshot_key=KEY),
    )
    await cold.answer([register("run-0", model) for model in MODELS])
    assert len(pages) > len(MODELS)
    assert max(pages) < RUNS
    monkeypatch.undo()
    await warm.answer([register("run-0", model) for model in MODELS])
    for model in MODELS:
        assert (known := cold.histories.get(model)) == warm.histories.get(model)
        assert known
        assert known.version == RUNS


@pytest.mark.parametrize("snapshot", [False, True], ids=["in its facts", "in a snapshot"])
async def test_an_answer_of_a_later_page_is_not_given_again(
    long_log: Log, monkeypatch: pytest.MonkeyPatch, snapshot: bool
) -> None:
    """Between two pages another process answers a message of the batch, and may store a snapshot."""
    read = long_log.catch_up

    async def overtaken(*args: Any) -> list[Any]:
        rows = await read(*args)
        monkeypatch.setattr(long_log, "catch_up", read)
        with monkeypatch.context() as patch:
            patch.setattr(snapshots, "SNAPSHOT_FACTS", 1 if snapshot else 1_000)
            patch.setattr(snapshots, "SNAPSHOT_BYTES_PER_FACT", 10**9)
            another = CommandHandler(long_log, registration, snapshot_key=KEY)
            await another.answer([register("new", MODELS[-1])])
            if another.writing_snapshot:
                await another.writing_snapshot
        return rows

    monkeypatch.setattr(long_log, "catch_up", overtaken)
    monkeypatch.setattr(catching_up, "MAX_PAGE_BYTES", 10_000)
    # Without a state that knows the run, only the log can tell that the message was answered.
    forgetful = replace(registration, decide=lambda _state, command: registration.decide(registration.initial, command))
    cold = CommandHandler(long_log, forgetful, snapshot_key=KEY)
    assert await cold.answer([register("run-0", MODELS[0]), register("new", MODELS[-1])]) == Answered()
    assert await long_log.pool.fetchval("select count(*) from log.state_snapshot") == snapshot


@pytest.mark.parametrize("commands", [1, 200], ids=["folding", "deciding"])
async def test_others_get_their_turn_while_a_batch_is_answered(
    long_log: Log, monkeypatch: pytest.MonkeyPatch, commands: int
) -> None:
    """With slices of no length: never more than two steps of the work between two turns of another task."""
    turn, steps = 0, Counter[int]()

    async def another() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def evolve(state: Any, fact: Any) -> Any:
        steps[turn] += 1
        return registration.evolve(state, fact)

    monkeypatch.setattr(slices, "SLICE_SECONDS", 0)
    task = asyncio.create_task(another())
    await CommandHandler(long_log, replace(registration, evolve=evolve)).answer(
        [register(f"new-{n}", "a") for n in range(commands)]
    )
    task.cancel()
    assert sum(steps.values()) == RUNS + commands
    assert max(steps.values()) <= 2
