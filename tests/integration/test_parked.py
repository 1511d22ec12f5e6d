"""What was parked is listed, and sent again once its reason is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from modelog.envelope import encode
from modelog.events import ModelPromoted, ModelRegistered

from operations.parked import parked, run, send_again
from stack import Addresses
from tests.integration.desk import Desk
from tests.integration.opening import opened


@pytest.fixture(scope="module")
async def desk(stack: Addresses) -> AsyncIterator[Desk]:
    async with opened(stack) as desk:
        yield desk


async def misplace(desk: Desk, model: str) -> str:
    """Park a good run, by sending it to the wrong topic; return its id."""
    key, value, headers = encode(desk.trained(model), source="/tests")
    sent = await desk.hand_in("drift.detected", value, key, headers)
    await desk.parked_from(sent)
    return f"{sent.topic}/{sent.partition}/{sent.offset}/retraining"


async def test_what_is_parked_is_listed_once_with_its_reason(desk: Desk) -> None:
    id = await misplace(desk, "listed")
    (one,) = [one for one in await parked(desk.settings) if one.id == id]
    assert "expected drift.detected" in one.reason
    assert one.record.key == b"listed"
    assert id in str(one)


async def test_what_is_sent_again_comes_as_it_came_and_is_crossed_off(desk: Desk) -> None:
    id = await misplace(desk, "again")
    (one,) = [one for one in await parked(desk.settings) if one.id == id]
    await send_again(desk.settings, [one])
    left = await parked(desk.settings)
    assert id not in {one.id for one in left}


async def test_sending_a_message_again_that_was_answered_changes_nothing(desk: Desk) -> None:
    report = desk.trained("answered")
    key, value, headers = encode(report, source="/tests")
    await desk.hand_in("model.trained", value, key, headers)
    await desk.said("answered", ModelPromoted)
    sent = await desk.hand_in("drift.detected", value, key, headers)
    await desk.parked_from(sent)
    (one,) = [one for one in await parked(desk.settings) if one.record.key == b"answered"]
    for _ in range(2):
        await send_again(desk.settings, [one])
    await desk.hand_in("model.trained", value, key, headers)
    await desk.goes_on("answered")
    assert len([fact for fact in await desk.facts("answered") if isinstance(fact, ModelRegistered)]) == 2


async def test_what_was_parked_without_its_value_is_not_sent_and_stays(desk: Desk) -> None:
    sent = await desk.hand_in("model.trained", b"x" * (6 * 1024 * 1024 - 200), b"huge")
    await desk.parked_from(sent)
    (one,) = [one for one in await parked(desk.settings) if one.record.key == b"huge"]
    if not one.cut:
        pytest.fail(f"expected a record that parking had to cut, found {one.reason[:200]}")
    with pytest.raises(SystemExit, match="without its value"):
        await run(desk.settings, [one.id], everything=False)
    assert one.id in {one.id for one in await parked(desk.settings)}


async def test_an_unknown_id_is_a_sentence(desk: Desk) -> None:
    with pytest.raises(SystemExit, match="Nothing is parked under nowhere"):
        await run(desk.settings, ["nowhere"], everything=False)
