"""Records that are hard to take off the wire, or to put on again: the partition moves on behind them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from modelog.envelope import MAX_EVENT_BYTES, encode
from modelog.events import ModelPromoted, ModelRegistered, PromotionRefused

from stack import Addresses
from tests.integration.desk import Desk, reason
from tests.integration.opening import opened
from tests.integration.wire import send_with_header_name

MIB = 1024 * 1024


@pytest.fixture(scope="module")
async def desk(stack: Addresses) -> AsyncIterator[Desk]:
    async with opened(stack) as desk:
        yield desk


async def test_a_header_name_that_is_not_utf_8_is_carried_along(desk: Desk) -> None:
    key, value, headers = encode(desk.trained("odd-name"), source="/tests")
    place = desk.settings.kafka_servers, f"{desk.settings.topic_prefix}model.trained"
    await send_with_header_name(*place, key, value, headers, b"\xff\xfe-name!")
    sent = await send_with_header_name(*place, b"odd-name", b"{", headers, b"\xff\xfe-name!")
    assert "Invalid JSON" in reason(await desk.parked_from(sent))
    assert [fact.version for fact in await desk.said("odd-name", ModelRegistered)] == [1]
    assert (await desk.goes_on("odd-name")).version == 2


async def test_records_of_other_partitions_survive_a_batch_that_cannot_be_read(desk: Desk) -> None:
    """aiokafka drops what it had drained from other partitions when one of them raises."""
    place = desk.settings.kafka_servers, f"{desk.settings.topic_prefix}promotion.requested"
    for n in range(20):
        await send_with_header_name(*place, b"k", b"{", [], b"\xff\xfe-name!")
        await desk.say(desk.trained("beside", run=f"run-{n}"))
    answers: Any = (ModelPromoted, PromotionRefused)
    assert len(await desk.said("beside", answers, 20)) == 20


async def test_a_record_too_large_to_be_copied_is_parked_without_its_value(desk: Desk) -> None:
    limit = 6 * MIB - 200  # just below what the topic lets in: with the reason beside it, the copy is above
    sent = await desk.hand_in("model.trained", b"x" * limit, b"brimful", [("ce_type", b"model.trained")])
    parked = await desk.parked_from(sent)
    assert f"found {limit}" in reason(parked)
    assert "without its value" in reason(parked)
    assert (parked.key, parked.value) == (b"brimful", None)
    await desk.goes_on("brimful")


async def test_a_small_record_that_unpacks_to_a_huge_one_is_parked_without_its_value(desk: Desk) -> None:
    topic = f"{desk.settings.topic_prefix}model.trained"
    servers = desk.settings.kafka_servers
    async with AIOKafkaProducer(
        bootstrap_servers=servers, compression_type="gzip", max_request_size=64 * MIB, max_batch_size=64 * MIB
    ) as producer:
        sent = await producer.send_and_wait(topic, b" " * (32 * MIB), key=b"bomb", partition=0)
    assert f"found {32 * MIB}" in reason(await desk.parked_from(sent))
    await desk.goes_on("bomb")


def endless(desk: Desk, model: str, name: str) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """A good message, but for four megabytes in its envelope: twice in an answer's headers, no topic would take it."""
    key, value, headers = encode(desk.trained(model), source="/tests", id="1")
    return key, value, [*((n, v) for n, v in headers if n != f"ce_{name}"), (f"ce_{name}", b"x" * (4 * MIB))]


@pytest.mark.parametrize("name", ["id", "source"])
async def test_a_message_that_is_named_by_megabytes_is_parked(desk: Desk, name: str) -> None:
    key, value, headers = endless(desk, f"endless-{name}", name)
    sent = await desk.hand_in("model.trained", value, key, headers)
    assert f"characters in `ce_{name}`, found {4 * MIB}" in reason(await desk.parked_from(sent))
    assert (await desk.goes_on(f"endless-{name}")).version == 1


@pytest.mark.parametrize("name", ["correlationid", "traceparent", "subject", "time"])
async def test_megabytes_elsewhere_in_an_envelope_do_not_hold_up_the_answer(desk: Desk, name: str) -> None:
    key, value, headers = endless(desk, f"endless-{name}", name)
    await desk.hand_in("model.trained", value, key, headers)
    assert (await desk.goes_on(f"endless-{name}")).version == 2
    await desk.said(f"endless-{name}", ModelPromoted)


async def test_a_run_as_large_as_can_be_read_is_judged_too(desk: Desk) -> None:
    empty = len(encode(desk.trained("large", description=""), source="/tests")[1])
    await desk.say(desk.trained("large", description="x" * (MAX_EVENT_BYTES - empty)))
    (promoted,) = await desk.said("large", ModelPromoted)
    assert promoted.version == 1


async def test_a_run_that_grows_when_it_is_written_again_is_judged_too(desk: Desk) -> None:
    value = json.dumps(desk.trained("growing").model_dump(mode="json")).encode()
    numbers = b"[" + b",".join([b"9e15"] * 200_000) + b"]"  # 5 bytes each, 19 when pydantic writes them
    value = value.replace(b'"parameters": {}', b'"parameters": {"a": ' + numbers + b"}")
    _, _, headers = encode(desk.trained("growing"), source="/tests")
    await desk.hand_in("model.trained", value, b"growing", headers)
    (promoted,) = await desk.said("growing", ModelPromoted)
    assert promoted.version == 1


async def test_numbers_that_postgres_prints_with_hundreds_of_digits_stop_nobody(desk: Desk) -> None:
    value = json.dumps(desk.trained("exponents").model_dump(mode="json")).encode()
    numbers = b"[" + b",".join([b"1e300"] * 30_000) + b"]"
    value = value.replace(b'"parameters": {}', b'"parameters": {"a": ' + numbers + b"}")
    _, _, headers = encode(desk.trained("exponents"), source="/tests")
    sent = await desk.hand_in("model.trained", value, b"exponents", headers)
    assert "numbers without large exponents" in reason(await desk.parked_from(sent))
    await desk.goes_on("exponents")
    await desk.said("exponents", ModelPromoted)
