"""A broker that dies under a subscription, and comes back."""

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
from modelog._kafka.subscription import UNWELL

from tests.sdk.conftest import topics
from tests.sdk.reading import LIMIT, take, versions, wish, wishes

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
async def test_a_subscription_goes_on_after_the_broker_died(kafka: Any, since: Any, shared: bool) -> None:
    group = f"test-{uuid.uuid4().hex[:8]}" if shared else None
    async with opened(kafka) as registry:
        subscription = registry.subscribe(PromotionRequested, group=group, since=since)
        messages = subscription.__aiter__()
        first = asyncio.ensure_future(messages.__anext__())
        version = 0
        while not first.done():
            version += 1
            await registry.publish(wish(version))
        heard = versions([await first])
        await killed_and_started(kafka)
        await registry.publish(wish(version + 1))
        while heard[-1] <= version:
            heard.append((await asyncio.wait_for(messages.__anext__(), LIMIT)).event.version)
        await messages.aclose()
    assert sorted(set(heard)) == list(range(heard[0], version + 2))


async def test_a_message_in_hand_while_the_broker_dies_costs_none_of_the_others(kafka: Any) -> None:
    async with opened(kafka) as registry:
        await wishes(registry, 3)
        heard: list[int] = []
        async for message in registry.subscribe(PromotionRequested, group="in-hand"):
            if not heard:
                await killed_and_started(kafka)
            heard.append(message.event.version)
            if message.event.version == 3:
                break
        assert sorted(set(heard)) == [1, 2, 3]


async def test_a_consumer_that_sees_nothing_where_something_is_is_made_anew(
    kafka: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look, blind = Reader.look, iter(range(UNWELL))

    async def stuck(reader: Reader) -> Any:
        return await look(reader) if next(blind, None) is None else None

    async with opened(kafka) as registry:
        await wishes(registry, 2)
        monkeypatch.setattr(Reader, "look", stuck)
        assert versions(await take(registry.subscribe(PromotionRequested, group="stuck"), 2)) == [1, 2]
    assert f"{UNWELL} times in a row a commit failed or records did not come" in caplog.text


async def test_a_publisher_hears_of_an_outage_and_publishes_after_it(
    kafka: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelog._kafka.sender.PATIENCE", 2.0)
    monkeypatch.setattr("modelog._kafka.sender.CLOSING", 1.0)
    async with opened(kafka) as registry:
        await registry.publish(wish(1))
        await asyncio.to_thread(kafka.kill)
        with pytest.raises(NotPublished):
            await registry.publish(wish(2), id="2")
        await asyncio.to_thread(kafka.start)
        monkeypatch.setattr("modelog._kafka.sender.PATIENCE", 60.0)
        await registry.publish(wish(2), id="2")
        heard = [message async for message in registry.subscribe(PromotionRequested, group=None, until="now")]
        assert set(versions(heard)) == {1, 2}


@pytest.mark.parametrize("outage", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_producer_that_was_given_up_leaves_no_task_behind(
    kafka: Any, monkeypatch: pytest.MonkeyPatch, outage: signal.Signals
) -> None:
    monkeypatch.setattr("modelog._kafka.sender.PATIENCE", 2.0)
    monkeypatch.setattr("modelog._kafka.sender.CLOSING", 0.5)
    async with opened(kafka) as registry:
        before = asyncio.all_tasks()
        await registry.publish(wish(1))
        os.kill(kafka.pid, outage)
        try:
            with pytest.raises(NotPublished):
                await registry.publish(wish(2))
            assert asyncio.all_tasks() == before
        finally:
            await killed_and_started(kafka)
