"""A broker that dies while it is used, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from modelog import NotPublished, PromotionRequested, Registry
from modelog._kafka.reader import Reader
from modelog._kafka.subscription import MAX_FAILURES

from tests.sdk.conftest import topics
from tests.sdk.reading import LIMIT_SECONDS, publish_requests, requested, take, versions

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A broker that is ours to kill."""
    stack = pytest.importorskip("stack.kafka", reason="needs the stack", exc_type=ImportError)
    folder: Path = tmp_path_factory.mktemp("kafka")
    broker = stack.Kafka(folder, erase=True)
    broker.start()
    yield broker
    broker.kill()


@asynccontextmanager
async def opened(kafka: Any) -> AsyncIterator[Registry]:
    async with Registry(kafka.address, prefix=await topics(kafka.address)) as registry:
        yield registry


async def killed_and_started(kafka: Any) -> None:
    await asyncio.to_thread(kafka.kill)
    await asyncio.to_thread(kafka.start)


@pytest.mark.parametrize("since", ["earliest", "latest"])
@pytest.mark.parametrize("shared", [True, False])
async def test_a_subscription_continues_after_the_broker_died(kafka: Any, since: Any, shared: bool) -> None:
    group = f"test-{uuid.uuid4().hex[:8]}" if shared else None
    async with opened(kafka) as registry:
        subscription = registry.subscribe(PromotionRequested, group=group, since=since)
        messages = subscription.__aiter__()
        first = asyncio.ensure_future(messages.__anext__())
        version = 0
        while not first.done():
            version += 1
            await registry.publish(requested(version))
        received = versions([await first])
        await killed_and_started(kafka)
        await registry.publish(requested(version + 1))
        while received[-1] <= version:
            received.append((await asyncio.wait_for(messages.__anext__(), LIMIT_SECONDS)).event.version)
        await messages.aclose()
    assert sorted(set(received)) == list(range(received[0], version + 2))


async def test_a_broker_that_dies_while_a_message_is_processed_costs_no_other_message(kafka: Any) -> None:
    async with opened(kafka) as registry:
        await publish_requests(registry, 3)
        received: list[int] = []
        async for message in registry.subscribe(PromotionRequested, group="in-hand"):
            if not received:
                await killed_and_started(kafka)
            received.append(message.event.version)
            if message.event.version == 3:
                break
        assert sorted(set(received)) == [1, 2, 3]


async def test_a_consumer_that_does_not_get_existing_records_is_replaced(
    kafka: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    poll, blind = Reader.next_record, iter(range(MAX_FAILURES))

    async def stuck(reader: Reader) -> Any:
        return await poll(reader) if next(blind, None) is None else None

    async with opened(kafka) as registry:
        await publish_requests(registry, 2)
        monkeypatch.setattr(Reader, "next_record", stuck)
        assert versions(await take(registry.subscribe(PromotionRequested, group="stuck"), 2)) == [1, 2]
    assert f"{MAX_FAILURES} times in a row a commit failed or records did not come" in caplog.text


async def test_a_publisher_gets_an_error_in_an_outage_and_publishes_after_it(
    kafka: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelog._kafka.sender.ACK_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr("modelog._kafka.sender.CLOSE_TIMEOUT_SECONDS", 1.0)
    async with opened(kafka) as registry:
        await registry.publish(requested(1))
        await asyncio.to_thread(kafka.kill)
        with pytest.raises(NotPublished):
            await registry.publish(requested(2), id="2")
        await asyncio.to_thread(kafka.start)
        monkeypatch.setattr("modelog._kafka.sender.ACK_TIMEOUT_SECONDS", 60.0)
        await registry.publish(requested(2), id="2")
        received = [message async for message in registry.subscribe(PromotionRequested, group=None, until="now")]
        assert set(versions(received)) == {1, 2}


@pytest.mark.parametrize("outage", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_producer_that_was_replaced_leaves_no_task_behind(
    kafka: Any, monkeypatch: pytest.MonkeyPatch, outage: signal.Signals
) -> None:
    monkeypatch.setattr("modelog._kafka.sender.ACK_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr("modelog._kafka.sender.CLOSE_TIMEOUT_SECONDS", 0.5)
    async with opened(kafka) as registry:
        before = asyncio.all_tasks()
        await registry.publish(requested(1))
        os.kill(kafka.pid, outage)
        try:
            with pytest.raises(NotPublished):
                await registry.publish(requested(2))
            assert asyncio.all_tasks() == before
        finally:
            await killed_and_started(kafka)
