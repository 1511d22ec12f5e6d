"""A subscription is closed while Kafka's client is busy, or while it joins its group."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from modelog import PromotionRequested, Registry
from modelog._kafka.reader import Reader
from modelog.errors import NotConnected

from tests.sdk.processes import ended, process
from tests.sdk.reading import LIMIT_SECONDS, publish_requests

pytestmark = pytest.mark.integration

MEMBER = """
with SyncRegistry() as registry:
    for message in registry.subscribe(PromotionRequested, group="deployers"):
        print(message.event.version, flush=True)
"""


async def test_a_fetch_that_waits_to_be_tried_again_does_not_end_who_closes_the_consumer(registry: Registry) -> None:
    await publish_requests(registry, 1)
    topic = f"{registry._prefix}promotion.requested"
    reader = Reader(registry._kafka, [topic], None, "earliest", {})
    await reader.open()
    reader._consumer._fetcher._pending_tasks.add(asyncio.ensure_future(asyncio.sleep(LIMIT_SECONDS)))
    await reader.close()
    assert not reader._consumer._client._conns or all(
        not connection.connected() for connection in reader._consumer._client._conns.values()
    )


async def test_a_member_that_waits_for_a_killed_member_leaves_without_a_warning(
    registry: Registry, env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    await publish_requests(registry, 1)
    killed = process(MEMBER, {**env, "MODELOG_TOPIC_PREFIX": registry._prefix})
    assert killed.stdout is not None
    assert await asyncio.to_thread(killed.stdout.readline) == "1\n"
    killed.kill()
    ended(killed)
    subscription = registry.subscribe(PromotionRequested, group="deployers")
    reading = asyncio.ensure_future(anext(subscription.__aiter__()))
    await asyncio.wait([reading], timeout=3.0)
    assert not reading.done(), "Kafka waits for the killed member"
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await subscription.close()
    assert "could not be closed" not in caplog.text


async def test_a_connection_that_kafkas_client_cancels_itself_is_an_error_and_no_end(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    subscription = registry.subscribe(PromotionRequested, group=None)
    monkeypatch.setattr(subscription, "_opened", cancelled)
    with pytest.raises(NotConnected, match="cancelled"):
        await anext(subscription.__aiter__())
