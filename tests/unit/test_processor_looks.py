"""Messages whose decision looks at bytes first: they wait for the store, with those of their model behind them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.bus import troubles
from shared.bus.troubles import Trouble
from stack.waiting import until
from tests.unit.processing import Service, record


@pytest.fixture(autouse=True)
def _lines() -> Iterator[None]:
    """To print a bug with its variables takes a second."""
    with structlog.testing.capture_logs():
        yield


def service(first: str = "look") -> Service:
    """A service that looks at bytes first for each run whose name begins so, and has not seen them."""
    made = Service(lambda message, _: message.event)
    made.looks_first = lambda command: command.run.startswith(first) and not command.description
    return made


async def test_a_message_that_looks_first_holds_up_its_model_and_no_other() -> None:
    looking, waiting = service(), asyncio.Event()

    async def look(command: Any, *_: Any) -> Any:
        await waiting.wait()
        return command.model_copy(update={"description": "seen"})

    looking.processor.look = look
    await looking.start(record("a", "before"), record("a", "look"), record("a", "behind"), record("b"))
    await looking.start(record("a", "late"), record("c"))
    assert looking.batches == [["a/before", "b/run"], ["c/run"]]
    assert looking.processor.is_handling
    waiting.set()
    await looking.open.wait_until_closed(list(looking.open.partitions))
    assert looking.batches[2:] == [["a/look", "a/behind", "a/late"]]


async def test_what_is_committed_never_passes_a_message_that_looks_first() -> None:
    looking, waiting = service(), asyncio.Event()

    async def look(command: Any, *_: Any) -> Any:
        await waiting.wait()
        return command.model_copy(update={"description": "seen"})

    looking.processor.look = look
    await looking.start(record("a", "look", offset=7), record("b", offset=8))
    assert list(looking.open.committable().values()) == [7]
    waiting.set()
    await looking.open.wait_until_closed(list(looking.open.partitions))
    assert list(looking.open.committable().values()) == [9]


async def test_a_store_that_is_down_is_waited_for_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "FIRST_PAUSE_SECONDS", 0.001)
    looking, answers = service(), asyncio.Event()

    async def look(command: Any, *_: Any) -> Any:
        if not answers.is_set():
            raise ConnectionError("no answer")
        return command.model_copy(update={"description": "seen"})

    looking.processor.look = look
    await looking.start(record("a", "look"), record("b"))

    async def reported() -> Trouble | None:
        return looking.processor.troubles.oldest()

    trouble = await until(reported, "a trouble", every=0.001)
    assert trouble.error == "ConnectionError: no answer"
    assert looking.batches == [["b/run"]]
    answers.set()
    await looking.open.wait_until_closed(list(looking.open.partitions))
    assert looking.batches == [["b/run"], ["a/look"]]
    assert not looking.parked


async def test_a_bug_in_a_look_parks_its_message_and_the_others_are_answered() -> None:
    looking = service()

    async def look(*_: Any) -> Any:
        raise KeyError("size")

    looking.processor.look = look
    assert await looking.take(record("bad", "look"), record("bad", "behind"), record("b")) == ["b/run", "bad/behind"]
    assert looking.parked["bad"].startswith("test has a bug, KeyError: 'size'")


async def test_a_look_for_a_partition_that_was_dropped_is_cancelled() -> None:
    looking, began, cancelled = service(), asyncio.Event(), asyncio.Event()

    async def look(*_: Any) -> Any:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    looking.processor.look = look
    await looking.start(record("a", "look"), record("a", "behind"))
    await began.wait()
    looking.open.drop(list(looking.open.partitions))
    looking.processor.drop()
    await asyncio.wait_for(cancelled.wait(), 10)
    await looking.processor.close()
    assert looking.batches == []


RUNS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["look", "plain", "bad"])), min_size=1, max_size=12)


@settings(max_examples=60)
@given(RUNS)
async def test_the_messages_of_a_model_are_answered_in_order_whatever_looks_first(drawn: list[tuple[str, str]]) -> None:
    """Also where a message of the batch causes an error, so that each is decided alone."""
    named = [(model, f"{kind}-{number}") for number, (model, kind) in enumerate(drawn)]
    looking = service()
    looking.fails = lambda runs: ValueError("a bug") if any("/bad" in run for run in runs) else None
    runs = await looking.take(*(record(model, run) for model, run in named))
    for model in "abc":
        expected = [f"{model}/{run}" for other, run in named if other == model and not run.startswith("bad")]
        assert [run for run in runs if run.startswith(f"{model}/")] == expected
