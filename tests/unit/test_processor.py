"""The records of a service: in what order they are answered, and what becomes of those that cannot be."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from modelog.envelope import Message, Unreadable, cause_of
from modelog.events import ModelTrained, ModelValidated, PromotionRequested
from prometheus_client import REGISTRY

from shared.bus import troubles
from shared.bus.parking import handled
from shared.bus.processor import MAX_HANDLERS_OF_MODEL
from shared.runtime.runtime import Context
from tests.examples import validated
from tests.unit.processing import Service, record


@pytest.fixture(autouse=True)
def _lines() -> Iterator[None]:
    """To print a bug with its variables takes a second."""
    with structlog.testing.capture_logs():
        yield


def same(message: Message[ModelTrained], _: Context) -> ModelTrained:
    return message.event


def failing(error: Exception, model: str = "bad") -> Any:
    """A handler that fails for one model."""

    def command(message: Message[ModelTrained], _: Context) -> ModelTrained:
        if message.event.model == model:
            raise error
        return message.event

    return command


async def test_a_slow_message_delays_its_model_and_no_other_not_even_of_a_later_batch() -> None:
    slow = asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        if message.event.run == "slow":
            await slow.wait()
        return message.event

    service = Service(handler)
    records = [record("a", "slow"), *(record("a", f"behind-{n}") for n in range(3)), record("b", "quick")]
    await service.start(*records)
    await service.start(*(record("a", "late"), record("c")))
    assert service.batches == [["b/quick"], ["c/run"]]
    slow.set()
    await service.open.wait_until_closed(list(service.open.partitions))
    assert service.batches[2:] == [["a/slow", "a/behind-0", "a/behind-1", "a/behind-2", "a/late"]]


async def test_what_is_committed_never_passes_an_open_record() -> None:
    slow = asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        await (slow.wait() if message.event.run == "slow" else asyncio.sleep(0))
        return message.event

    service = Service(handler)
    records = [record("a", offset=7), record("b", "slow", offset=8), record("c", offset=9)]
    await service.start(*records)
    assert list(service.open.committable().values()) == [8]
    slow.set()
    await service.open.wait_until_closed(list(service.open.partitions))
    assert list(service.open.committable().values()) == [10]


async def test_what_a_dropped_partition_had_open_is_forgotten_and_the_rest_goes_on() -> None:
    slow, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        try:
            await slow.wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return message.event

    service = Service(handler)
    kept = record("a", "kept")
    kept.partition = 1
    await service.start(*(record("a", "dropped"), kept))
    service.open.drop([place for place in service.open.partitions if place.partition == 0])
    service.processor.drop()
    await asyncio.wait_for(cancelled.wait(), 10)
    slow.set()
    await service.open.wait_until_closed(list(service.open.partitions))
    assert service.batches == [["a/kept"]]


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


async def test_at_most_eight_handlers_of_a_model_wait_at_a_time_and_those_of_others_beside_them() -> None:
    slow, running = asyncio.Event(), list[str]()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        running.append(message.event.model)
        await slow.wait()
        return message.event

    service = Service(handler)
    await service.start(*(record("many", f"run-{n}") for n in range(400)), record("other"))
    assert running == ["many"] * MAX_HANDLERS_OF_MODEL + ["other"]
    slow.set()
    await service.open.wait_until_closed(list(service.open.partitions))
    assert len(running) == 401


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
async def test_transient_errors_of_the_log_are_waited_for_and_park_nothing(
    monkeypatch: pytest.MonkeyPatch, models: str
) -> None:
    monkeypatch.setattr(troubles, "FIRST_PAUSE_SECONDS", 0.001)
    service, attempts = Service(same), list[int]()

    def fails(runs: list[str]) -> Exception | None:
        attempts.append(len(runs))
        return ConnectionError("no answer") if len(attempts) < 4 else None

    service.fails = fails
    assert await service.take(*map(record, models)) == [f"{model}/run" for model in models]
    assert attempts == 4 * [len(models)], "no message causes a transient error"
    assert not service.parked


async def test_a_transient_error_of_a_handler_holds_up_its_model_alone_and_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(troubles, "FIRST_PAUSE_SECONDS", 0.001)
    answers = asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        if message.event.model == "bad" and not answers.is_set():
            raise ConnectionError("no answer")
        return message.event

    service = Service(handler)
    await service.start(*map(record, ("bad", "good")))
    assert service.batches == [["good/run"]]
    trouble = service.processor.troubles.oldest()
    assert trouble
    assert trouble.error == "ConnectionError: no answer"
    answers.set()
    await service.open.wait_until_closed(list(service.open.partitions))
    assert service.batches == [["good/run"], ["bad/run"]]
    assert service.processor.troubles.oldest() is None


async def test_a_fact_is_what_the_log_has_and_not_what_the_record_says() -> None:
    service = Service(lambda message, _: message.event, event=ModelValidated)
    id = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
    service.facts = {(5, id): Message(validated(1), str(id), "/modelog/validation", sequence=5)}
    said = validated(999)
    assert await service.take(record("fraud", event=said, id=str(id), sequence=5)) == ["fraud/fact"]
    for position, other in ((6, id), (5, UUID(int=1))):
        assert await service.take(record("fraud", event=said, id=str(other), sequence=position)) == ["fraud/fact"]
        assert f"expected the fact {other} at position {position} of the log" in service.parked.pop("fraud")
    assert await service.take(record("fraud", event=said)) == ["fraud/fact"]
    assert "only modelog publishes facts" in service.parked["fraud"]


async def test_a_record_that_cannot_be_read_any_more_and_was_answered_is_passed_over() -> None:
    service = Service(same)
    bad = record("a", id="7", event=PromotionRequested(model="a", version=1, by="ada"))
    service.causes = {cause_of("/test", "7")}
    assert await service.take(bad) == []
    assert not service.parked


async def test_a_record_that_was_parked_before_is_passed_over() -> None:
    service = Service(same)
    bad, other = record("bad", offset=1_001), record("other", offset=1_002)
    bad.headers = other.headers = ()
    service.offsets_parked = {1_001}
    await service.take(bad, other)
    assert service.parked.keys() == {"other"}


@pytest.mark.parametrize(
    ("metric", "labels"),
    [
        ("handled_total", {"type": ModelValidated.type, "outcome": "parked"}),
        ("parked_total", {"topic": ModelValidated.type}),
        ("hop_seconds_count", {}),
        ("append_seconds_count", {}),
    ],
)
def test_what_is_counted_is_there_from_0_on(metric: str, labels: dict[str, str]) -> None:
    Service(same, event=ModelValidated)
    assert REGISTRY.get_sample_value(f"modelog_{metric}", {"service": "test", **labels}) is not None


async def test_messages_are_counted_by_their_type_and_outcome() -> None:
    counted = handled.labels("test", "model.trained", "answered")._value.get
    before = counted()
    await Service(same).take(record("a"), record("b"), record("a", "next"))
    assert counted() - before == 3
