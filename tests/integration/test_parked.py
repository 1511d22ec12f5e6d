"""What was parked is listed, and sent again once its reason is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from modelog.envelope import encode
from modelog.events import ModelPromoted, ModelRegistered

from operations.parked import parked, run, send_again
from stack import Addresses
from tests.integration.in_process import InProcessRegistry, in_process


@pytest.fixture(scope="module")
async def registry(stack: Addresses) -> AsyncIterator[InProcessRegistry]:
    async with in_process(stack) as registry:
        yield registry


async def misplace(registry: InProcessRegistry, model: str) -> str:
    """Park a good run, by sending it to the wrong topic; return its id."""
    key, value, headers = encode(registry.trained(model), source="/tests")
    sent = await registry.send_record("drift.detected", value, key, headers)
    await registry.wait_for_parked(sent)
    return f"{sent.topic}/{sent.partition}/{sent.offset}/retraining"


async def test_what_is_parked_is_listed_once_with_its_reason(registry: InProcessRegistry) -> None:
    id = await misplace(registry, "listed")
    (one,) = [one for one in await parked(registry.settings) if one.id == id]
    assert "expected drift.detected" in one.reason
    assert one.record.key == b"listed"
    assert id in str(one)


async def test_what_is_sent_again_comes_as_it_came_and_is_crossed_off(registry: InProcessRegistry) -> None:
    id = await misplace(registry, "again")
    (one,) = [one for one in await parked(registry.settings) if one.id == id]
    await send_again(registry.settings, [one])
    left = await parked(registry.settings)
    assert id not in {one.id for one in left}


async def test_sending_a_message_again_that_was_answered_changes_nothing(registry: InProcessRegistry) -> None:
    report = registry.trained("answered")
    key, value, headers = encode(report, source="/tests")
    await registry.send_record("model.trained", value, key, headers)
    await registry.wait_for_facts("answered", ModelPromoted)
    sent = await registry.send_record("drift.detected", value, key, headers)
    await registry.wait_for_parked(sent)
    (one,) = [one for one in await parked(registry.settings) if one.record.key == b"answered"]
    for _ in range(2):
        await send_again(registry.settings, [one])
    await registry.send_record("model.trained", value, key, headers)
    await registry.registers_next("answered")
    assert len([fact for fact in await registry.facts("answered") if isinstance(fact, ModelRegistered)]) == 2


async def test_what_was_parked_without_its_value_is_not_sent_and_stays(registry: InProcessRegistry) -> None:
    sent = await registry.send_record("model.trained", b"x" * (6 * 1024 * 1024 - 200), b"huge")
    await registry.wait_for_parked(sent)
    (one,) = [one for one in await parked(registry.settings) if one.record.key == b"huge"]
    if not one.cut:
        pytest.fail(f"expected a record that parking had to cut, found {one.reason[:200]}")
    with pytest.raises(SystemExit, match="without its value"):
        await run(registry.settings, [one.id], everything=False)
    assert one.id in {one.id for one in await parked(registry.settings)}


async def test_an_unknown_id_is_a_sentence(registry: InProcessRegistry) -> None:
    with pytest.raises(SystemExit, match="Nothing is parked under nowhere"):
        await run(registry.settings, ["nowhere"], everything=False)
