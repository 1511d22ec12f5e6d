"""Messages of other programs' transactions, on a real broker: those that are taken back are never given out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from modelog import PromotionRequested, Registry
from modelog._kafka.reader import Reader
from modelog.envelope import encode

from tests.sdk.reading import LIMIT_SECONDS, requested, take, versions

pytestmark = pytest.mark.integration


@asynccontextmanager
async def transaction(registry: Registry, *published: int) -> AsyncIterator[AIOKafkaProducer]:
    """A transaction in which these versions are requested; it is open in the body, and taken back after it."""
    servers, prefix = registry._kafka["bootstrap_servers"], registry._prefix
    async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=f"{prefix}{published}") as producer:
        await producer.begin_transaction()
        for version in published:
            key, value, headers = encode(requested(version), source="/tests")
            await producer.send_and_wait(f"{prefix}promotion.requested", value, key, headers=headers)
        yield producer
        if producer._txn_manager.is_in_transaction():
            await producer.abort_transaction()


async def read(registry: Registry) -> list[int]:
    """The versions that are requested now."""
    messages = registry.subscribe(PromotionRequested, group=None, until="now")

    async def to_the_end() -> list[int]:
        return versions([message async for message in messages])

    return await asyncio.wait_for(to_the_end(), LIMIT_SECONDS)


async def wait_until_read(registry: Registry, *expected: int) -> None:
    """Read until these versions come, and never others: Kafka answers before it writes the end of a transaction."""
    while (found := await read(registry)) != [*expected]:
        assert found == [*expected[: len(found)]]


async def test_messages_that_were_taken_back_are_not_given_out(registry: Registry) -> None:
    async with transaction(registry, 1):
        pass
    async with transaction(registry, 2) as producer:
        await producer.commit_transaction()
    await asyncio.wait_for(wait_until_read(registry, 2), LIMIT_SECONDS)


async def test_a_finite_read_ends_where_a_topic_ends_with_what_was_taken_back(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for more: what was taken back, and the marker of its transaction, are passed in one look."""
    monkeypatch.setattr("modelog._kafka.reader.POLL_SECONDS", 1e6)
    await registry.publish(requested(1))
    async with transaction(registry, 2, 3):
        pass
    assert await read(registry) == [1]
    async with transaction(registry, 4) as producer:
        await producer.commit_transaction()
    await asyncio.wait_for(wait_until_read(registry, 1, 4), LIMIT_SECONDS)


async def test_a_finite_read_ends_before_a_transaction_that_is_open(registry: Registry) -> None:
    await registry.publish(requested(1))
    async with transaction(registry, 2):
        await registry.publish(requested(3))
        assert await read(registry) == [1]
    await asyncio.wait_for(wait_until_read(registry, 1, 3), LIMIT_SECONDS)


async def test_a_subscription_waits_for_a_transaction_that_is_open_and_gives_out_what_follows(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not take the records that it may not read yet for records that did not come."""
    monkeypatch.setattr("modelog._kafka.reader.POLL_SECONDS", 0.05)
    polls, has_more = asyncio.Semaphore(0), Reader.has_more

    async def counted(reader: Reader) -> bool:
        polls.release()
        return await has_more(reader)

    monkeypatch.setattr(Reader, "has_more", counted)
    await registry.publish(requested(1))
    messages = aiter(registry.subscribe(PromotionRequested, group="waiting"))
    assert versions([await anext(messages)]) == [1]
    async with transaction(registry, 2):
        await registry.publish(requested(3))
        third = asyncio.ensure_future(anext(messages))
        for _ in range(10):
            await asyncio.wait_for(polls.acquire(), LIMIT_SECONDS)
        assert not third.done()
    assert versions([await asyncio.wait_for(third, LIMIT_SECONDS)]) == [3]
    await messages.aclose()
    assert "starts again" not in caplog.text


async def test_a_subscription_reads_committed_whatever_the_settings_of_kafka_are(
    env: dict[str, str], registry: Registry
) -> None:
    settings = {"isolation_level": "read_uncommitted"}
    async with (
        transaction(registry, 1),
        Registry(env["MODELOG_KAFKA_SERVERS"], prefix=registry._prefix, kafka=settings) as other,
    ):
        assert await read(other) == []
    await registry.publish(requested(2))
    assert versions(await take(registry.subscribe(PromotionRequested, group="committed"), 1)) == [2]
