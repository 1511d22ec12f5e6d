"""After a restore: a new epoch, groups that read again what was lost, and a list of what Kafka has and the log lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from modelog.envelope import encode

from operations.parked import Servers, servers
from operations.restored import restored
from shared.log import Append, Log
from stack import Addresses
from stack.disposable import Sandbox, disposable
from tests.appends import entry
from tests.examples import promoted

MARGIN = timedelta(minutes=10)
EPOCHS = "select epoch, after_position from log.epoch order by epoch"


@pytest.fixture
async def registry(stack: Addresses) -> AsyncIterator[Sandbox]:
    """A registry without services."""
    async with disposable(stack, "restored", MODELOG_TOPIC_PARTITIONS="1") as sandbox:
        yield sandbox


@pytest.fixture
async def opened(registry: Sandbox) -> AsyncIterator[Servers]:
    async with servers(registry.settings) as opened:
        yield opened


async def append(opened: Servers, *ids: str) -> None:
    """Facts with these ids, in a stream of their own."""
    model = f"model-{ids[0]}"
    facts = [entry(model, UUID(id), "model.promoted") for id in ids]
    await Log(opened.connection).append([Append(model, 0, facts)])


async def publish(
    opened: Servers, topic: str, *ids: str, ms: int | None = None, sequence: int = 1, epoch: int | None = None
) -> None:
    """Facts with these ids and the positions from `sequence` on, at this time of Kafka."""
    async with AIOKafkaProducer(bootstrap_servers=opened.settings.kafka_servers) as producer:
        for position, id in enumerate(ids, sequence):
            key, value, headers = encode(promoted(1), source="/tests", sequence=position, epoch=epoch)
            headers = [(name, id.encode() if name == "ce_id" else text) for name, text in headers]  # as a stranger may
            await producer.send_and_wait(
                opened.settings.topic_prefix + topic, value, key=key, headers=headers, timestamp_ms=ms
            )


async def commit(opened: Servers, group: str, offsets: dict[str, int]) -> None:
    settings = opened.settings
    at = {TopicPartition(settings.topic_prefix + topic, 0): offset for topic, offset in offsets.items()}
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_servers, group_id=settings.topic_prefix + group)
    consumer.assign(list(at))
    async with consumer:
        await consumer.commit(at)


async def committed(opened: Servers, group: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=opened.settings.kafka_servers)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(opened.settings.topic_prefix + group)
        return {at.topic.removeprefix(opened.settings.topic_prefix): offset.offset for at, offset in found.items()}
    finally:
        await admin.close()


async def test_the_epoch_is_raised_once_behind_the_last_fact(opened: Servers) -> None:
    await append(opened, str(uuid4()), str(uuid4()))
    for _ in range(2):
        assert await restored(opened, MARGIN)
    assert [tuple(row) for row in await opened.connection.fetch(EPOCHS)] == [(1, 0), (2, 2)]
    await append(opened, str(uuid4()))
    assert await opened.connection.fetchval("select max(position) from log.event") == 3


async def test_a_second_restore_to_the_same_end_raises_it_again_although_a_stranger_names_another(
    opened: Servers,
) -> None:
    await append(opened, str(uuid4()))
    await restored(opened, MARGIN)
    await publish(opened, "model.promoted", str(uuid4()), sequence=2, epoch=2)
    await publish(opened, "model.promoted", str(uuid4()), sequence=2, epoch=10**17)
    await restored(opened, MARGIN)
    assert [tuple(row) for row in await opened.connection.fetch(EPOCHS)] == [(1, 0), (2, 1), (3, 1)]


async def test_facts_that_kafka_has_and_the_log_lost_are_listed(
    opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    there, lost = str(uuid4()), [f"{uuid4()}\x1b[2J" for _ in range(3)]
    await append(opened, there)
    await publish(opened, "model.promoted", there, *lost)
    await restored(opened, MARGIN, limit=2)
    listed, more, count = [
        line for line in capsys.readouterr().out.splitlines() if " in the log" in line or "And" in line
    ][1:]
    assert "position 3 in epoch 1" in listed
    assert r"\x1b[2J" in listed
    assert more == "And 1 more."
    assert count == "3 facts on Kafka are not in the log: lost, or written by a stranger."


async def test_groups_go_back_to_the_time_of_the_last_fact_and_never_forward(opened: Servers) -> None:
    await append(opened, str(uuid4()))
    at = await opened.connection.fetchval("select at from log.event")
    now = int(at.timestamp() * 1000)
    old, late, after = now - 11 * 60_000, now - 9 * 60_000, now + 1000
    for ms in (old, late, after):
        await publish(opened, "model.trained", str(uuid4()), ms=ms)
    await publish(opened, "model.validated", str(uuid4()), ms=after)
    await commit(opened, "ingestion", {"model.trained": 3})
    await commit(opened, "promotion", {"model.validated": 0})
    await restored(opened, MARGIN)
    assert await committed(opened, "ingestion") == {"model.trained": 1}
    assert await committed(opened, "promotion") == {"model.validated": 0}
    await restored(opened, None)
    assert await committed(opened, "ingestion") == {"model.trained": 0}


async def test_nothing_is_done_while_a_service_has_a_connection(
    registry: Sandbox, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    async with await registry.service(1):
        assert not await restored(opened, MARGIN)
    assert "stop the services first" in capsys.readouterr().err
    assert len(await opened.connection.fetch(EPOCHS)) == 1


async def test_nothing_is_done_while_a_group_has_a_member(opened: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    prefix, servers = opened.settings.topic_prefix, opened.settings.kafka_servers
    async with AsyncExitStack() as running:
        member = AIOKafkaConsumer(f"{prefix}model.trained", bootstrap_servers=servers, group_id=f"{prefix}ingestion")
        await running.enter_async_context(member)
        assert not await restored(opened, MARGIN)
    assert "Services still run: ingestion at " in capsys.readouterr().err
