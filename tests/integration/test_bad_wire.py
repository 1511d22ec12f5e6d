"""Records that are hard to read from Kafka, or to write again: the records behind them are answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from modelog.envelope import MAX_EVENT_BYTES, encode
from modelog.events import ModelPromoted, ModelRegistered, PromotionRefused

from tests.integration.in_process import InProcessRegistry, reason
from tests.integration.record_batches import send_with_header_name

MIB = 1024 * 1024


async def test_a_header_name_that_is_not_utf_8_is_carried_along(registry: InProcessRegistry) -> None:
    key, value, headers = encode(registry.trained("odd-name"), source="/tests")
    place = registry.settings.kafka_servers, f"{registry.settings.topic_prefix}model.trained"
    await send_with_header_name(*place, key, value, headers, b"\xff\xfe-name!")
    sent = await send_with_header_name(*place, b"odd-name", b"{", headers, b"\xff\xfe-name!")
    assert "Invalid JSON" in reason(await registry.wait_for_parked(sent))
    assert [fact.version for fact in await registry.wait_for_facts("odd-name", ModelRegistered)] == [1]
    assert (await registry.registers_next("odd-name")).version == 2


async def test_records_of_other_partitions_survive_a_batch_that_cannot_be_read(registry: InProcessRegistry) -> None:
    """aiokafka drops what it had drained from other partitions when one of them raises."""
    place = registry.settings.kafka_servers, f"{registry.settings.topic_prefix}promotion.requested"
    for n in range(20):
        await send_with_header_name(*place, b"k", b"{", [], b"\xff\xfe-name!")
        await registry.send(registry.trained("beside", run=f"run-{n}"))
    answers: Any = (ModelPromoted, PromotionRefused)
    assert len(await registry.wait_for_facts("beside", answers, 20)) == 20


async def test_a_record_too_large_to_be_copied_is_parked_without_its_value(registry: InProcessRegistry) -> None:
    limit = 6 * MIB - 200  # just below what the topic lets in: with the reason beside it, the copy is above
    sent = await registry.send_record("model.trained", b"x" * limit, b"brimful", [("ce_type", b"model.trained")])
    parked = await registry.wait_for_parked(sent)
    assert f"found {limit}" in reason(parked)
    assert "without its value" in reason(parked)
    assert (parked.key, parked.value) == (b"brimful", None)
    await registry.registers_next("brimful")


async def test_a_small_record_that_unpacks_to_a_huge_one_is_parked_without_its_value(
    registry: InProcessRegistry,
) -> None:
    topic = f"{registry.settings.topic_prefix}model.trained"
    servers = registry.settings.kafka_servers
    async with AIOKafkaProducer(
        bootstrap_servers=servers, compression_type="gzip", max_request_size=64 * MIB, max_batch_size=64 * MIB
    ) as producer:
        sent = await producer.send_and_wait(topic, b" " * (32 * MIB), key=b"bomb", partition=0)
    parked = await registry.wait_for_parked(sent)
    assert "in a compressed batch, found more: send smaller batches" in reason(parked)
    assert (parked.key, parked.value) == (None, b"")
    await registry.registers_next("bomb")


def endless(registry: InProcessRegistry, model: str, name: str) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """A good message, but for four megabytes in its envelope: twice in an answer's headers, no topic would take it."""
    key, value, headers = encode(registry.trained(model), source="/tests", id="1")
    return key, value, [*((n, v) for n, v in headers if n != f"ce_{name}"), (f"ce_{name}", b"x" * (4 * MIB))]


@pytest.mark.parametrize("name", ["id", "source"])
async def test_a_message_that_is_named_by_megabytes_is_parked(registry: InProcessRegistry, name: str) -> None:
    key, value, headers = endless(registry, f"endless-{name}", name)
    sent = await registry.send_record("model.trained", value, key, headers)
    assert f"characters in `ce_{name}`, found {4 * MIB}" in reason(await registry.wait_for_parked(sent))
    assert (await registry.registers_next(f"endless-{name}")).version == 1


@pytest.mark.parametrize("name", ["correlationid", "traceparent", "subject", "time"])
async def test_megabytes_elsewhere_in_an_envelope_do_not_delay_the_answer(
    registry: InProcessRegistry, name: str
) -> None:
    key, value, headers = endless(registry, f"endless-{name}", name)
    await registry.send_record("model.trained", value, key, headers)
    assert (await registry.registers_next(f"endless-{name}")).version == 2
    await registry.wait_for_facts(f"endless-{name}", ModelPromoted)


async def test_a_run_as_large_as_can_be_read_is_judged_too(registry: InProcessRegistry) -> None:
    empty = len(encode(registry.trained("large", description=""), source="/tests")[1])
    await registry.send(registry.trained("large", description="x" * (MAX_EVENT_BYTES - empty)))
    (promoted,) = await registry.wait_for_facts("large", ModelPromoted)
    assert promoted.version == 1


async def test_a_run_that_grows_when_it_is_written_again_is_judged_too(registry: InProcessRegistry) -> None:
    value = json.dumps(registry.trained("growing").model_dump(mode="json")).encode()
    numbers = b"[" + b",".join([b"9e15"] * 200_000) + b"]"  # 5 bytes each, 19 when pydantic writes them
    value = value.replace(b'"parameters": {}', b'"parameters": {"a": ' + numbers + b"}")
    _, _, headers = encode(registry.trained("growing"), source="/tests")
    await registry.send_record("model.trained", value, b"growing", headers)
    (promoted,) = await registry.wait_for_facts("growing", ModelPromoted)
    assert promoted.version == 1


async def test_numbers_that_postgres_prints_with_hundreds_of_digits_block_no_message(
    registry: InProcessRegistry,
) -> None:
    value = json.dumps(registry.trained("exponents").model_dump(mode="json")).encode()
    numbers = b"[" + b",".join([b"1e300"] * 30_000) + b"]"
    value = value.replace(b'"parameters": {}', b'"parameters": {"a": ' + numbers + b"}")
    _, _, headers = encode(registry.trained("exponents"), source="/tests")
    sent = await registry.send_record("model.trained", value, b"exponents", headers)
    assert "numbers without large exponents" in reason(await registry.wait_for_parked(sent))
    await registry.registers_next("exponents")
    await registry.wait_for_facts("exponents", ModelPromoted)
