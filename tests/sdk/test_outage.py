"""A broker that dies while it is used, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
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

WAYS: list[tuple[bool, Any]] = [(group, since) for group in (True, False) for since in ("earliest", "latest")]


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


async def published_until_not_acknowledged(registry: Registry) -> None:
    """Publish until the broker, which is about to stop, does not acknowledge."""
    while True:
        await registry.publish(requested(1))


async def test_subscriptions_lose_nothing_when_the_broker_dies(kafka: Any) -> None:
    """Each of them has a message in the body of its loop meanwhile, and some that it did not get yet."""
    async with opened(kafka) as registry:
        messages = [
            registry.subscribe(PromotionRequested, group=since if group else None, since=since).__aiter__()
            for group, since in WAYS
        ]
        firsts = [asyncio.ensure_future(anext(it)) for it in messages]
        last = 0
        while last < 3 or not all(first.done() for first in firsts):
            last += 1
            await registry.publish(requested(last))
        received = [versions([await first]) for first in firsts]
        await asyncio.to_thread(kafka.kill)
        await asyncio.to_thread(kafka.start)
        await registry.publish(requested(last + 1))

        async def reading(it: AsyncIterator[Any], known: list[int]) -> None:
            while known[-1] <= last:
                known.append((await anext(it)).event.version)

        await asyncio.wait_for(asyncio.gather(*map(reading, messages, received)), LIMIT_SECONDS)
        for it in messages:
            await it.aclose()
    assert [sorted(set(known)) for known in received] == [list(range(known[0], last + 2)) for known in received]


async def test_a_consumer_that_does_not_get_existing_records_is_replaced(
    kafka: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    next_record, blind = Reader.next_record, iter(range(MAX_FAILURES))

    async def stuck(reader: Reader, ends: Any) -> Any:
        return await next_record(reader, ends) if next(blind, None) is None else None

    async with opened(kafka) as registry:
        await publish_requests(registry, 2)
        monkeypatch.setattr(Reader, "next_record", stuck)
        assert versions(await take(registry.subscribe(PromotionRequested, group="stuck"), 2)) == [1, 2]
    assert f"{MAX_FAILURES} times in a row a commit failed or records did not come" in caplog.text


@pytest.mark.parametrize("outage", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_publisher_gets_an_error_in_an_outage_keeps_no_task_and_publishes_after_it(
    kafka: Any, monkeypatch: pytest.MonkeyPatch, outage: signal.Signals
) -> None:
    async with opened(kafka) as registry:
        before = asyncio.all_tasks()
        await registry.publish(requested(1))
        with monkeypatch.context() as impatient:
            impatient.setattr("modelog._kafka.sender.ACK_TIMEOUT_SECONDS", 0.5)
            impatient.setattr("modelog._kafka.sender.CLOSE_TIMEOUT_SECONDS", 0.5)
            os.kill(kafka.pid, outage)
            with pytest.raises(NotPublished):
                await asyncio.wait_for(published_until_not_acknowledged(registry), LIMIT_SECONDS)
            assert asyncio.all_tasks() == before
        if outage is signal.SIGSTOP:
            os.kill(kafka.pid, signal.SIGCONT)
        else:
            await asyncio.to_thread(kafka.kill)
            await asyncio.to_thread(kafka.start)
        await registry.publish(requested(2))
        received = [message async for message in registry.subscribe(PromotionRequested, group=None, until="now")]
        assert set(versions(received)) == {1, 2}
