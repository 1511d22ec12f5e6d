"""The topic `parked` when anybody writes to it: nothing forged is sent, and nothing real is hidden."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from modelog.envelope import encode

from operations.parked import Servers, send_again, show
from shared.bus.parked_records import SENT
from stack.waiting import until
from tests.examples import promoted
from tests.integration.in_process import InProcessRegistry
from tests.integration.test_parked import end, ids, park, park_good, send_parked, wait_until_listed


async def test_a_fact_is_never_sent_again(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    key, value, headers = encode(promoted(1), source="/modelog/promotion")
    sent = await registry.send_record("model.promoted", value, key, headers)
    id = await send_parked(registry, opened, f"{sent.topic}/0/{sent.offset}/promotion", value, key)
    before = await end(registry, "model.promoted")
    assert await send_again(opened, [id]) == 1
    assert "no topic of reports or requests" in capsys.readouterr().err
    assert await end(registry, "model.promoted") == before


async def test_a_record_that_is_not_there_or_is_another_is_not_sent(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = registry.settings.topic_prefix + "model.trained"
    sent = await registry.send(registry.trained("good"))
    coming, other = f"{topic}/0/999999/ingestion", f"{topic}/0/{sent.offset}/ingestion"
    for id in (coming, other):
        await send_parked(registry, opened, id, b'{"forged": true}')
    before = await end(registry, "model.trained")
    assert await send_again(opened, [coming, other]) == 2
    gone, differs = capsys.readouterr().err.splitlines()
    assert "does not have the record any more" in gone
    assert "another record there" in differs
    assert await end(registry, "model.trained") == before
    await show(opened)
    shown = capsys.readouterr().out
    assert "this entry is forged" in shown
    assert "does not have the record any more" in shown


async def test_an_entry_that_was_written_first_hides_no_other(registry: InProcessRegistry, opened: Servers) -> None:
    topic = registry.settings.topic_prefix + "drift.detected"
    id = f"{topic}/0/{await end(registry, 'drift.detected')}/retraining"
    await send_parked(registry, opened, id, b"{}")
    key, value, headers = encode(registry.trained("victim"), source="/tests", id="victim")
    assert await park(registry, opened, value, key, headers) == id

    async def reasons() -> list[str]:
        rows = await opened.connection.fetch("select reason from log.parked where message_id = 'victim'")
        return [reason for (reason,) in rows]

    (reason,) = await until(reasons, "the victim in the list")
    assert "expected drift.detected" in reason
    assert await send_again(opened, [id]) == 0


async def mark_as_older_versions_did(registry: InProcessRegistry, opened: Servers, model: str) -> None:
    """Park a record, send it again and mark it; wait until it is not listed."""
    key, value, headers = encode(registry.trained(model), source="/tests")
    id = await park(registry, opened, value, key, headers)
    await park(registry, opened, value, key, headers)
    await registry.send_record("parked", None, SENT.encode(), [(SENT, id.encode())])

    async def hidden() -> bool:
        return id not in await ids(opened)

    await until(hidden, f"{id} not in the list")


@pytest.mark.parametrize("topic", ["drift.detected", "parked"])
async def test_a_forged_mark_hides_nothing_and_a_true_mark_of_an_older_version_hides_what_was_sent_again(
    registry: InProcessRegistry, opened: Servers, topic: str
) -> None:
    victim = await park_good(registry, opened, f"victim-{topic}")
    mark = [(SENT, victim.encode())]
    if topic == "parked":
        await registry.send_record(topic, None, SENT.encode(), mark)
    else:
        await park(registry, opened, b"{", SENT.encode(), mark)
    await mark_as_older_versions_did(registry, opened, f"marked-{topic}")  # marks are looked at in their order
    assert victim in await ids(opened)


async def test_nothing_that_a_stranger_wrote_reaches_the_terminal_as_it_is(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    await park(registry, opened, b"\x1b[2J\r\n\xe2\x80\xae{", b"k", [("ce_type", b"\x1b]0;x\x07\xe2\x80\xae")])
    capsys.readouterr()
    await show(opened)
    assert {c for c in capsys.readouterr().out if not c.isprintable()} == {"\n"}


async def test_what_the_service_cannot_use_is_passed_over(registry: InProcessRegistry, opened: Servers) -> None:
    headers = [("parked_service", b"x"), ("parked_topic", b"another.model.trained"), ("parked_offset", b"1")]
    await registry.send_record("parked", b"\xff", b"k", headers)
    await registry.send_record("parked", None, b"k")
    await park_good(registry, opened, "good")


async def test_a_batch_that_is_not_unpacked_is_not_sent_again(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, size = registry.settings, 32 * 1024 * 1024
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_servers,
        compression_type="gzip",
        max_request_size=2 * size,
        max_batch_size=size,
    ) as producer:
        topic = f"{settings.topic_prefix}drift.detected"
        sent = await producer.send_and_wait(topic, b" " * size, partition=0)
    await registry.wait_for_parked(sent)
    id = await wait_until_listed(opened, f"{topic}/0/{sent.offset}/retraining")
    assert await send_again(opened, [id]) == 1
    assert "or it cannot be read" in capsys.readouterr().err
