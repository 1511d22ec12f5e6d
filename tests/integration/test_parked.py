"""What was parked is listed, and sent again once its reason is gone."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from modelog.envelope import encode
from modelog.events import ModelPromoted, ModelRegistered

from operations.parked import Servers, send_again, send_all, show
from operations.parked_list import newest
from shared.bus.parked_records import Headers, Place
from stack.waiting import until
from tests.integration.in_process import InProcessRegistry, origin_of


async def ids(opened: Servers) -> list[str]:
    """The ids of everything that is parked and was not sent again, the newest first."""
    return [str(parked.place) for parked in await newest(opened.connection, limit=10_000)]


async def wait_until_listed(opened: Servers, id: str) -> str:
    async def listed() -> bool:
        return id in await ids(opened)

    await until(listed, f"{id} in the list", every=0.02)
    return id


async def park(
    registry: InProcessRegistry,
    opened: Servers,
    value: bytes | None,
    key: bytes | None,
    headers: Headers = (),
    topic: str = "drift.detected",
) -> str:
    """Send a record to a topic where it is parked, and return the id under which it is listed."""
    sent = await registry.send_record(topic, value, key, headers)
    await registry.wait_for_parked(sent)
    service = {"drift.detected": "retraining", "model.trained": "ingestion"}[topic]
    return await wait_until_listed(opened, f"{sent.topic}/0/{sent.offset}/{service}")


async def park_good(registry: InProcessRegistry, opened: Servers, model: str) -> str:
    """Park a good run, by sending it to the wrong topic."""
    key, value, headers = encode(registry.trained(model), source="/tests")
    return await park(registry, opened, value, key, headers)


async def send_parked(registry: InProcessRegistry, opened: Servers, id: str, value: bytes, key: bytes = b"k") -> str:
    """Write to the topic `parked` what parking would, as anybody may, and wait until it is listed."""
    place = Place.parse(id)
    assert place
    added = {"service": place.service, "topic": place.topic, "partition": place.partition, "offset": place.offset}
    added |= {"at": "2026-01-01T00:00:00+00:00", "reason": "forged"}
    await registry.send_record("parked", value, key, [(f"parked_{name}", str(v).encode()) for name, v in added.items()])
    return await wait_until_listed(opened, id)


async def end(registry: InProcessRegistry, topic: str) -> int:
    partition = TopicPartition(registry.settings.topic_prefix + topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=registry.settings.kafka_servers) as consumer:
        return int((await consumer.end_offsets([partition]))[partition])


async def test_what_is_parked_is_listed_with_its_reason(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    id = await park_good(registry, opened, "listed")
    capsys.readouterr()
    await show(opened, limit=1)
    first, reason, value, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(id)
    assert "expected drift.detected" in reason
    assert '{"model":"listed"' in value


async def test_the_list_is_read_page_by_page(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = [await park_good(registry, opened, model) for model in ("older", "newer")]
    page = await newest(opened.connection, limit=1)
    assert [str(parked.place) for parked in page] == [newer]
    await show(opened, limit=1)
    assert f"The next page: `--after {page[0].number}`." in capsys.readouterr().out
    assert [str(parked.place) for parked in await newest(opened.connection, page[0].number, 1)] == [older]


async def test_what_is_sent_again_is_not_listed_any_more(registry: InProcessRegistry, opened: Servers) -> None:
    id = await park_good(registry, opened, "again")
    assert await send_again(opened, [id]) == 0
    assert id not in await ids(opened)


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
    registry: InProcessRegistry, opened: Servers, key: bytes | None, value: bytes | None, headers: Headers
) -> None:
    id = await park(registry, opened, value, key, headers)
    assert await send_again(opened, [id]) == 0
    topic, _, offset, _ = id.split("/")
    async with AIOKafkaConsumer(bootstrap_servers=registry.settings.kafka_servers) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), int(offset))
        first = await consumer.getone()
        second = await consumer.getone()
    assert (second.key, second.value, second.headers) == (key, value, tuple(headers))
    assert (first.key, first.value, first.headers) == (key, value, tuple(headers))

    async def parked_again() -> bool:
        return any(origin_of(record)[2] == str(second.offset) for record in registry.parked)

    await until(parked_again, "the record parked again, because its reason is still there", seconds=30)


async def test_sending_a_message_again_that_was_answered_changes_nothing(
    registry: InProcessRegistry, opened: Servers
) -> None:
    report = registry.trained("answered")
    key, value, headers = encode(report, source="/tests")
    id = await park(registry, opened, value, key, headers)  # before it is answered: afterwards it is a repeat
    await registry.send_record("model.trained", value, key, headers)
    await registry.wait_for_facts("answered", ModelPromoted)
    assert await send_again(opened, [id, id]) == 1
    await registry.send_record("model.trained", value, key, headers)
    await registry.registers_next("answered")
    assert len([fact for fact in await registry.facts("answered") if isinstance(fact, ModelRegistered)]) == 2


async def test_what_was_parked_without_its_value_is_sent_again_with_it(
    registry: InProcessRegistry, opened: Servers
) -> None:
    value = b"x" * (6 * 1024 * 1024 - 200)
    id = await park(registry, opened, value, b"huge", topic="model.trained")
    assert (await newest(opened.connection, limit=1))[0].digest is None
    before = await end(registry, "model.trained")
    assert await send_again(opened, [id]) == 0
    assert await end(registry, "model.trained") == before + 1


async def test_everything_is_sent_again_once(registry: InProcessRegistry, opened: Servers) -> None:
    sent = {await park_good(registry, opened, model) for model in ("all-1", "all-2")}
    await send_all(opened)
    assert not sent & set(await ids(opened))


async def test_an_id_under_which_nothing_is_parked_is_a_sentence(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"{registry.settings.topic_prefix}drift.detected/0/999999/retraining"
    assert await send_again(opened, ["nowhere\x1b[2J", nowhere]) == 2
    unknown, nothing = capsys.readouterr().err.splitlines()
    assert unknown == r"nowhere\x1b[2J is not sent: this is no id: `make parked` lists the ids."
    assert "nothing is parked under this id" in nothing
