"""A registry that is opened and closed, twice, elsewhere, and while it is used."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from modelog import PromotionRequested, Registry, SyncRegistry
from modelog._kafka import subscription

from tests.sdk.reading import LIMIT_SECONDS, publish_requests, requested, take, versions

CLOSED = "the registry is closed: open it with `async with Registry"
CALLS: list[Callable[[Registry], Awaitable[object]]] = [
    lambda registry: registry.publish(requested(1)),
    lambda registry: registry.trained("fraud", run="r1", files=Path(__file__)),
    lambda registry: registry.download("sha256:" + "0" * 64, Path("served")),
    lambda registry: registry.serving("fraud"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("was_open", [True, False])
async def test_a_closed_registry_refuses_every_call(
    call: Callable[[Registry], Awaitable[object]], was_open: bool
) -> None:
    registry = Registry("127.0.0.1:1")
    if was_open:
        async with registry:
            pass
    with pytest.raises(RuntimeError, match=CLOSED):
        await call(registry)
    with pytest.raises(RuntimeError, match=CLOSED):
        registry.subscribe(PromotionRequested, group=None)


async def test_closing_twice_and_opening_twice_change_nothing() -> None:
    registry = Registry("127.0.0.1:1")
    await registry.close()
    assert await registry.connect() is registry
    sender = registry._sender
    await registry.connect()
    assert registry._sender is sender
    await registry.close()
    await registry.close()
    assert repr(registry) == "<Registry 127.0.0.1:1, closed>"


def test_closing_twice_and_opening_twice_change_nothing_without_async() -> None:
    registry = SyncRegistry("127.0.0.1:1")
    registry.close()
    assert registry.connect() is registry
    loop = registry.loop
    assert registry.connect().loop is loop
    registry.close()
    registry.close()
    assert repr(registry) == "<SyncRegistry 127.0.0.1:1, closed>"


@pytest.mark.integration
async def test_a_registry_is_opened_again(registry: Registry) -> None:
    await registry.publish(requested(1))
    await registry.close()
    await registry.connect()
    await registry.publish(requested(2))
    messages = registry.subscribe(PromotionRequested, group=None, until="now")
    assert sorted(versions([message async for message in messages])) == [1, 2]


@pytest.mark.integration
@pytest.mark.parametrize("group", ["deployer", None])
async def test_a_subscription_that_waits_ends_when_its_registry_is_closed(
    registry: Registry, group: str | None
) -> None:
    await publish_requests(registry, 1)
    messages = registry.subscribe(PromotionRequested, group=group)
    received, first = [], asyncio.Event()

    async def reading() -> None:
        async for message in messages:
            received.append(message)
            first.set()

    task = asyncio.create_task(reading())
    await asyncio.wait_for(first.wait(), LIMIT_SECONDS)
    await registry.close()
    await asyncio.wait_for(task, LIMIT_SECONDS)
    assert versions(received) == [1]
    await registry.connect()
    await registry.publish(requested(2))
    with pytest.raises(RuntimeError, match="ended with its registry: open the registry, and subscribe again"):
        await take(messages, 1)


@pytest.mark.integration
async def test_a_loop_whose_body_closes_the_registry_ends(registry: Registry) -> None:
    await publish_requests(registry, 2)
    received = []
    async for message in registry.subscribe(PromotionRequested, group="deployer"):
        received.append(message)
        await registry.close()
    assert versions(received) == [1]


@pytest.mark.integration
async def test_a_subscription_that_is_connecting_ends_when_its_registry_is_closed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting = asyncio.Event()

    async def never(*_: object) -> dict[str, int]:
        connecting.set()
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(subscription, "partitions_of", never)
    task = asyncio.create_task(take(registry.subscribe(PromotionRequested, group=None), 1))
    await asyncio.wait_for(connecting.wait(), LIMIT_SECONDS)
    await registry.close()
    assert await asyncio.wait_for(task, LIMIT_SECONDS) == []


@pytest.mark.integration
async def test_a_read_with_an_end_is_not_cut_off_in_silence(registry: Registry) -> None:
    await publish_requests(registry, 3)
    messages = registry.subscribe(PromotionRequested, group=None, until="now").__aiter__()
    await anext(messages)
    await registry.close()
    with pytest.raises(RuntimeError, match="closed before this subscription was read to its end"):
        await anext(messages)


@pytest.mark.integration
async def test_a_read_with_an_end_is_not_read_twice(registry: Registry) -> None:
    messages = registry.subscribe(PromotionRequested, group=None, until="now")
    assert [message async for message in messages] == []
    with pytest.raises(RuntimeError, match="read to its end: subscribe again"):
        await take(messages, 1)


@pytest.mark.integration
async def test_a_subscription_is_read_by_a_single_loop_at_a_time(registry: Registry) -> None:
    await publish_requests(registry, 3)
    messages = registry.subscribe(PromotionRequested, group="deployer")
    it = messages.__aiter__()
    first = await anext(it)
    with pytest.raises(RuntimeError, match="being read by another loop: subscribe once for each"):
        await take(messages, 1)
    assert versions([first, await anext(it)]) == [1, 2]
    await it.aclose()
    assert versions(await take(messages, 1)) == [2]


def in_another_thread(function: Callable[[], Any]) -> BaseException | None:
    """What it raises there, in an event loop of its own."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(function())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LIMIT_SECONDS)
    assert not thread.is_alive()
    return raised[0] if raised else None


@pytest.mark.integration
async def test_an_async_registry_refuses_another_event_loop(registry: Registry) -> None:
    messages = registry.subscribe(PromotionRequested, group=None)
    for call in (
        lambda: registry.publish(requested(1)),
        lambda: take(messages, 1),
        lambda: registry.serving("fraud"),
        registry.connect,
        registry.close,
    ):
        error = in_another_thread(call)
        assert isinstance(error, RuntimeError)
        assert "opened in another event loop" in str(error)
    await registry.publish(requested(1))


def test_a_registry_whose_event_loop_has_ended_can_be_closed_and_opened_again() -> None:
    registry = asyncio.run(Registry("127.0.0.1:1").connect())
    with pytest.raises(RuntimeError, match="opened in another event loop"):
        asyncio.run(registry.publish(requested(1)))
    asyncio.run(registry.close())
    assert asyncio.run(registry.connect()) is registry
