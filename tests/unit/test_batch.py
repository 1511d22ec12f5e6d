"""A batch in which some messages take long."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from modelog.envelope import Message, encode
from modelog.events import ModelTrained
from modelog.policy import DEFAULT

from shared.bus.batch import BatchProcessor, Handler
from shared.domain.command import CausedCommand
from shared.runtime.context import Context
from tests.examples import NOON, trained


class Answered:
    """In place of the log: what was asked, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def answer(self, asked: list[CausedCommand[Any]]) -> dict[str, Any]:
        self.batches.append([f"{one.command.model}/{one.command.run}" for one in asked])
        return {}


def record(model: str, run: str) -> Any:
    report = trained(run).model_copy(update={"model": model})
    key, value, headers = encode(report, source="/test", time=datetime.now(UTC))
    return ConsumerRecord("model.trained", 0, 0, 0, 0, key, value, None, len(key), len(value), tuple(headers))


async def test_a_slow_message_holds_up_its_model_and_no_other_and_costs_no_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = asyncio.Event()

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        if message.event.run == "slow":
            await slow.wait()
        return message.event

    answered = Answered()
    context = Context(NOON, DEFAULT, {})
    batches = BatchProcessor(
        "test", {ModelTrained: Handler(handler)}, answered.answer, cast(Any, None), lambda _: context
    )
    batch = [record("a", "slow"), *(record("a", f"behind-{n}") for n in range(3)), record("b", "quick")]
    taking = asyncio.create_task(batches.take(batch))
    waits = 0

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal waits
        waits += 1
        return await wait(*arguments, **options)

    wait = asyncio.wait
    monkeypatch.setattr(asyncio, "wait", counted)
    for _ in range(200):
        await asyncio.sleep(0)
    assert answered.batches == [["b/quick"]]
    assert waits < 10, "it must sleep while the head of a model is slow"
    slow.set()
    await taking
    assert answered.batches[1:] == [["a/slow", "a/behind-0", "a/behind-1", "a/behind-2"]]


async def test_a_look_up_saves_the_task_and_each_model_keeps_its_order() -> None:
    tasks = []

    async def handler(message: Message[ModelTrained], _: Context) -> Any:
        tasks.append(message.event.run)
        await asyncio.sleep(0)
        return message.event

    def look_up(message: Message[ModelTrained], _: Context) -> Any:
        return None if message.event.run.startswith("asked") else message.event

    answered = Answered()
    context = Context(NOON, DEFAULT, {})
    batches = BatchProcessor(
        "test", {ModelTrained: Handler(handler, look_up)}, answered.answer, cast(Any, None), lambda _: context
    )
    await batches.take([record("a", run) for run in ("known-1", "asked-1", "known-2", "asked-2", "known-3")])
    commands = [run for batch in answered.batches for run in batch]
    assert commands == ["a/known-1", "a/asked-1", "a/known-2", "a/asked-2", "a/known-3"]
    assert tasks == ["asked-1", "asked-2"]
