"""What was parked is listed, and sent again once its reason is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from modelog.envelope import encode
from modelog.events import ModelPromoted, ModelRegistered

from operations.parked import Headers, Parked, parked, run, send_again
from stack import Addresses
from stack.waiting import until
from tests.integration.in_process import InProcessRegistry, in_process, origin_of


@pytest.fixture(scope="module")
async def registry(stack: Addresses) -> AsyncIterator[InProcessRegistry]:
    async with in_process(stack) as registry:
        yield registry


async def park(
    registry: InProcessRegistry,
    value: bytes | None,
    key: bytes | None,
    headers: Headers = (),
    topic: str = "drift.detected",
) -> Parked:
    """Send a record to a topic where it is parked, and return it as it is listed."""
    sent = await registry.send_record(topic, value, key, headers)
    await registry.wait_for_parked(sent)
    (found,) = [
        found for found in await parked(registry.settings) if found.id.startswith(f"{sent.topic}/0/{sent.offset}/")
    ]
    return found


async def park_good(registry: InProcessRegistry, model: str) -> Parked:
    """Park a good run, by sending it to the wrong topic."""
    key, value, headers = encode(registry.trained(model), source="/tests")
    return await park(registry, value, key, headers)


async def test_what_is_parked_is_listed_once_with_its_reason(registry: InProcessRegistry) -> None:
    found = await park_good(registry, "listed")
    assert "expected drift.detected" in found.reason
    assert found.key == b"listed"
    assert not found.cut
    assert found.id in str(found)


async def test_what_is_sent_again_is_not_listed_any_more(registry: InProcessRegistry) -> None:
    found = await park_good(registry, "again")
    await send_again(registry.settings, [found])
    assert found.id not in {left.id for left in await parked(registry.settings)}


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, b"\x00\xff{", [("a", b"1"), ("b", None), ("a", b"\xfe"), ("b", b"")]),
        (b"\xff\x00", None, []),
        (b"key", b"", [("parked_reason", b"mine"), ("parked_sent", b"mine"), ("a", None)]),
    ],
    ids=["null key, binary value, repeated headers", "binary key, null value", "empty value, headers like parking's"],
)
async def test_what_is_sent_again_comes_as_it_came(
    registry: InProcessRegistry, key: bytes | None, value: bytes | None, headers: Headers
) -> None:
    found = await park(registry, value, key, headers)
    await send_again(registry.settings, [found])
    topic = TopicPartition(found.topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=registry.settings.kafka_servers) as consumer:
        consumer.assign([topic])
        consumer.seek(topic, int(found.id.split("/")[2]))
        first = await consumer.getone()
        second = await consumer.getone()
    assert (second.key, second.value, second.headers) == (key, value, tuple(headers))
    assert (first.key, first.value, first.headers) == (key, value, tuple(headers))

    async def parked_again() -> bool:
        return any(origin_of(record)[2] == str(second.offset) for record in registry.parked)

    await until(parked_again, "the record parked again, because its reason is still there", seconds=30)


async def test_sending_a_message_again_that_was_answered_changes_nothing(registry: InProcessRegistry) -> None:
    report = registry.trained("answered")
    key, value, headers = encode(report, source="/tests")
    await registry.send_record("model.trained", value, key, headers)
    await registry.wait_for_facts("answered", ModelPromoted)
    found = await park(registry, value, key, headers)
    for _ in range(2):
        await send_again(registry.settings, [found])
    await registry.send_record("model.trained", value, key, headers)
    await registry.registers_next("answered")
    assert len([fact for fact in await registry.facts("answered") if isinstance(fact, ModelRegistered)]) == 2


async def test_what_was_parked_without_its_value_is_not_sent_and_stays(registry: InProcessRegistry) -> None:
    found = await park(registry, b"x" * (6 * 1024 * 1024 - 200), b"huge", topic="model.trained")
    if not found.cut:
        pytest.fail(f"expected a record that parking had to cut, found {found.reason[:200]}")
    with pytest.raises(SystemExit, match="without their value"):
        await run(registry.settings, [found.id], everything=False)
    assert found.id in {left.id for left in await parked(registry.settings)}


OLD_SENTENCE = "; parked without its value, for it is too large to be copied"


@pytest.mark.parametrize(
    ("reason", "cut"), [(f"expected JSON{OLD_SENTENCE}", True), (f"expected JSON, found '{OLD_SENTENCE}'", False)]
)
async def test_what_an_older_version_parked_without_its_value_is_known(
    registry: InProcessRegistry, reason: str, cut: bool
) -> None:
    headers = [("parked_service", b"ingestion"), ("parked_topic", b"t"), ("parked_partition", b"0")]
    headers += [
        ("parked_offset", str(int(cut)).encode()),
        ("parked_at", b"2026-01-01T00:00:00+00:00"),
        ("parked_reason", reason.encode()),
    ]
    await registry.send_record("parked", None, b"old", headers)
    (found,) = [found for found in await parked(registry.settings) if found.reason == reason]
    assert (found.id, found.cut) == (f"t/0/{int(cut)}/ingestion", cut)


async def test_an_unknown_id_is_a_sentence(registry: InProcessRegistry) -> None:
    with pytest.raises(SystemExit, match="Nothing is parked under nowhere"):
        await run(registry.settings, ["nowhere"], everything=False)
