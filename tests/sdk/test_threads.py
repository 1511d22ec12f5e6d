"""A registry without async that many threads use, some of them with an event loop of their own."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest
from modelog import PromotionRequested, SyncRegistry
from modelog.loop import Loop

from tests.sdk.reading import LIMIT_SECONDS, requested, versions

pytestmark = pytest.mark.integration


def test_eight_threads_publish_at_once(sync_registry: SyncRegistry) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda version: sync_registry.publish(requested(version)), range(1, 101)))
    messages = sync_registry.subscribe(PromotionRequested, group=None, until="now")
    assert sorted(versions(list(messages))) == list(range(1, 101))


def test_each_thread_has_a_subscription(sync_registry: SyncRegistry) -> None:
    for version in (1, 2, 3):
        sync_registry.publish(requested(version))

    def read(_: int) -> list[int]:
        return versions(list(sync_registry.subscribe(PromotionRequested, group=None, until="now")))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(8))) == [[1, 2, 3]] * 8


def test_closing_it_ends_a_loop_that_waits_in_another_thread(sync_registry: SyncRegistry) -> None:
    sync_registry.publish(requested(1))
    first, received = threading.Event(), []

    def read() -> None:
        for message in sync_registry.subscribe(PromotionRequested, group="deployer"):
            received.append(message)
            first.set()

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        assert first.wait(LIMIT_SECONDS)
        sync_registry.close()
        reading.result(LIMIT_SECONDS)
    assert versions(received) == [1]


def test_closing_it_ends_what_waits_in_another_thread(sync_registry: SyncRegistry) -> None:
    loop, begun = sync_registry.loop, threading.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(loop.wait, endless)
        assert begun.wait(LIMIT_SECONDS)
        sync_registry.close()
        with pytest.raises(RuntimeError, match="closed meanwhile"):
            waiting.result(LIMIT_SECONDS)
    with pytest.raises(RuntimeError, match="with SyncRegistry"):
        loop.wait(endless)


def test_a_loop_whose_body_closes_the_registry_ends(sync_registry: SyncRegistry) -> None:
    for version in (1, 2):
        sync_registry.publish(requested(version))
    received = []
    for message in sync_registry.subscribe(PromotionRequested, group="deployer"):
        received.append(message)
        sync_registry.close()
    assert versions(received) == [1]


async def test_it_works_where_an_event_loop_runs(sync_registry: SyncRegistry) -> None:
    """As in a notebook."""
    sync_registry.publish(requested(1))
    assert versions(list(sync_registry.subscribe(PromotionRequested, group=None, until="now"))) == [1]


def test_its_own_thread_cannot_wait_for_it(sync_registry: SyncRegistry) -> None:
    async def publish() -> None:
        sync_registry.publish(requested(1))

    with pytest.raises(RuntimeError, match="thread of the registry's event loop, which cannot wait"):
        sync_registry.loop.wait(publish)


def test_a_subscription_is_read_by_a_single_thread_at_a_time(sync_registry: SyncRegistry) -> None:
    sync_registry.publish(requested(1))
    messages = sync_registry.subscribe(PromotionRequested, group=None)
    it = iter(messages)
    next(it)
    with ThreadPoolExecutor(1) as threads, pytest.raises(RuntimeError, match="being read by another loop"):
        threads.submit(next, iter(messages)).result(LIMIT_SECONDS)


def test_a_subscription_of_an_earlier_opening_is_not_read(sync_registry: SyncRegistry) -> None:
    messages = sync_registry.subscribe(PromotionRequested, group=None)
    sync_registry.close()
    sync_registry.connect()
    with pytest.raises(RuntimeError, match="ended with its registry: open the registry, and subscribe again"):
        next(iter(messages))


@pytest.mark.parametrize("line", range(1, 9))
def test_ctrl_c_at_each_line_leaves_the_subscription_closed(sync_registry: SyncRegistry, line: int) -> None:
    """Of `wait`, up to where it blocks."""
    sync_registry.publish(requested(1))
    messages = iter(sync_registry.subscribe(PromotionRequested, group=None))
    next(messages)
    left = line

    def interrupting(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code is not Loop.wait.__code__:
            return None
        left -= event == "line"
        if left == 0:
            raise KeyboardInterrupt
        return interrupting

    before = sys.gettrace()
    sys.settrace(interrupting)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(messages)
    finally:
        sys.settrace(before)
    assert next(messages, None) is None
    sync_registry.publish(requested(2))
