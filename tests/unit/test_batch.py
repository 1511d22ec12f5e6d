"""A batch of records: in what order they are answered, and what becomes of those that cannot be."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import structlog
from aiokafka import ConsumerRecord
from modelog.envelope import Message, Unreadable, encode
from modelog.events import Event, ModelTrained, PromotionRequested
from modelog.policy import DEFAULT

from shared.bus import batch
from shared.bus.batch import MAX_RUNNING_HANDLERS, BatchProcessor, Handler, handled
from shared.domain.command import CausedCommand
from shared.runtime.runtime import Context
from tests.examples import NOON, trained


@pytest.fixture(autouse=True)
def _lines() -> Iterator[None]:
    """To print a bug with its variables takes a second."""
    with structlog.testing.capture_logs():
        yield


class Service:
    """In place of the log it has a list of batches, and in place of the topic `parked` the reasons by model."""

    def __init__(self, command: Callable[[Message[ModelTrained], Context], Any], look_up: Any = None) -> None:
        self.batches: list[list[str]] = []
        self.parked: dict[str, str] = {}
        self.fails: Callable[[list[str]], Exception | None] = lambda _: None
        context = Context(NOON, DEFAULT, {})
        handlers: dict[type[Event], Handler] = {ModelTrained: Handler(command, look_up)}
        self.processor = BatchProcessor("test", handlers, self.answer, cast(Any, self), context)

    async def answer(self, commands: list[CausedCommand[Any]]) -> None:
        runs = [f"{caused.command.model}/{caused.command.run}" for caused in commands]
        if error := self.fails(runs):
            raise error
        self.batches.append(runs)

    async def park(self, record: Any, reason: str, _: datetime) -> None:
        self.parked[record.key.decode()] = reason

    async def take(self, *records: Any) -> list[str]:
        """The runs that were answered."""
        await self.processor.take(records)
        return [run for runs in self.batches for run in runs]


def record(model: str, run: str = "run", event: Event | None = None) -> Any:
    report = event or trained(run).model_copy(update={"model": model})
    key, value, headers = encode(report, source="/test", time=datetime.now(UTC))
    return ConsumerRecord("model.trained", 0, 0, 0, 0, key, value, None, len(key), len(value), tuple(headers))


def same(message: Message[ModelTrained], _: Context) -> ModelTrained:
    return message.event


def failing(error: Exception, model: str = "bad") -> Any:
    """A handler that fails for one model."""

    def command(message: Message[ModelTrained], _: Context) -> ModelTrained:
        if message.event.model == model:
            raise error
        return message.event

    return command


async def test_a_slow_message_delays_its_model_and_no_other_and_costs_no_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        if message.event.run == "slow":
            await slow.wait()
        return message.event

    service = Service(handler)
    records = [record("a", "slow"), *(record("a", f"behind-{n}") for n in range(3)), record("b", "quick")]
    taking = asyncio.create_task(service.take(*records))
    waits = 0

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal waits
        waits += 1
        return await wait(*arguments, **options)

    wait = asyncio.wait
    monkeypatch.setattr(asyncio, "wait", counted)
    for _ in range(200):
        await asyncio.sleep(0)
    assert service.batches == [["b/quick"]]
    assert waits < 10, "it must sleep while the head of a model is slow"
    slow.set()
    await taking
    assert service.batches[1:] == [["a/slow", "a/behind-0", "a/behind-1", "a/behind-2"]]


async def test_a_look_up_saves_the_task_and_each_model_keeps_its_order() -> None:
    tasks = []

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        tasks.append(message.event.run)
        await asyncio.sleep(0)
        return message.event

    def look_up(message: Message[ModelTrained], _: Context) -> Any:
        return None if message.event.run.startswith("asked") else message.event

    service = Service(handler, look_up)
    runs = ("known-1", "asked-1", "known-2", "asked-2", "known-3")
    assert await service.take(*(record("a", run) for run in runs)) == [f"a/{run}" for run in runs]
    assert tasks == ["asked-1", "asked-2"]


async def test_a_batch_is_decided_together() -> None:
    service = Service(same)
    await service.take(record("a"), record("b"), record("a", "next"))
    assert service.batches == [["a/run", "a/next", "b/run"]]


async def test_at_most_32_handlers_run_at_a_time() -> None:
    running = most = 0

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _turn in range(3):
            await asyncio.sleep(0)
        running -= 1
        return message.event

    assert len(await Service(handler).take(*(record(f"m{n}") for n in range(100)))) == 100
    assert most == MAX_RUNNING_HANDLERS == 32


async def test_where_a_handler_has_nothing_to_ask_nothing_is_decided() -> None:
    service = Service(lambda message, _: None if message.event.model == "a" else message.event)
    assert await service.take(record("a"), record("b")) == ["b/run"]
    await service.take(record("a"))
    assert service.batches == [["b/run"]]
    assert not service.parked


async def test_a_record_that_is_no_event_is_parked_with_its_reason_and_the_others_are_answered() -> None:
    service = Service(same)
    bad = record("bad")
    bad.headers = ()
    assert await service.take(record("a"), bad, record("b")) == ["a/run", "b/run"]
    assert service.parked.keys() == {"bad"}
    assert "ce_type" in service.parked["bad"]


async def test_an_event_that_the_service_does_not_hear_is_parked_with_those_that_it_hears() -> None:
    service = Service(same)
    other = record("bad", event=PromotionRequested(model="bad", version=1, by="ada"))
    assert await service.take(other) == []
    expected = "expected model.trained on model.trained, found promotion.requested: send it to its topic"
    assert service.parked == {"bad": expected}


@pytest.mark.parametrize("slow", [False, True])
async def test_a_message_that_meets_a_bug_is_parked_with_the_error_and_the_others_are_answered(slow: bool) -> None:
    command = failing(KeyError("f1"))

    async def later(message: Message[ModelTrained], context: Context) -> Any:
        return command(message, context)

    service = Service(later if slow else command)
    assert await service.take(record("a"), record("bad"), record("b")) == ["a/run", "b/run"]
    assert service.parked.keys() == {"bad"}
    assert service.parked["bad"].startswith("test has a bug, KeyError: 'f1'")


async def test_a_message_whose_answer_is_too_large_is_parked_with_its_own_reason() -> None:
    service = Service(same)
    service.fails = lambda runs: Unreadable("expected an answer of less") if "bad/run" in runs else None
    assert await service.take(record("a"), record("bad"), record("b")) == ["a/run", "b/run"]
    assert service.parked == {"bad": "expected an answer of less"}


async def test_of_a_batch_that_cannot_be_decided_each_message_is_decided_alone() -> None:
    service = Service(same)
    service.fails = lambda runs: ValueError("a bug") if "bad/run" in runs else None
    await service.take(record("a"), record("bad"), record("b"))
    assert service.batches == [["a/run"], ["b/run"]]
    assert service.parked["bad"].startswith("test has a bug, ValueError: a bug")


@pytest.mark.parametrize("models", ["a", "ab"])
async def test_a_transient_error_of_the_log_gives_the_batch_back_and_parks_nothing(
    monkeypatch: pytest.MonkeyPatch, models: str
) -> None:
    monkeypatch.setattr(batch, "RETRY_SECONDS", 0.001)
    service, attempts = Service(same), list[int]()

    def fails(runs: list[str]) -> Exception:
        attempts.append(len(runs))
        return ConnectionError("no answer")

    service.fails = fails
    with pytest.raises(ConnectionError, match="no answer"):
        await service.take(*map(record, models))
    assert set(attempts) == {len(models)}, "no message causes a transient error"
    assert len(attempts) >= 2
    assert not service.parked


async def test_a_transient_error_that_passes_is_not_seen() -> None:
    service, errors = Service(same), [ConnectionError("no answer")]
    service.fails = lambda _: errors.pop() if errors else None
    assert await service.take(record("a"), record("b")) == ["a/run", "b/run"]


async def test_a_transient_error_of_a_handler_gives_the_batch_back_and_cancels_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch, "RETRY_SECONDS", 0.001)
    cancelled = asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        if message.event.model == "bad":
            raise ConnectionError("no answer")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    service = Service(handler)
    with pytest.raises(ConnectionError, match="no answer"):
        await service.take(record("slow"), record("bad"))
    await asyncio.wait_for(cancelled.wait(), 10)
    assert not service.parked


async def test_messages_are_counted_by_their_type() -> None:
    counted = handled.labels("test", "model.trained")._value.get
    before = counted()
    await Service(same).take(record("a"), record("b"), record("a", "next"))
    assert counted() - before == 3
