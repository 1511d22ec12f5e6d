"""Waiting: until the process stops, for several coroutines, and for transient errors to pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import stamina
from modelog._kafka.stray import stray_cancellations_raised

from shared.runtime.errors import is_transient

T = TypeVar("T")

MAX_PAUSE_SECONDS = 5.0
LAST_SECONDS = 5.0
"""How long a stopping process waits for a server that does not answer. Clients wait for 40 seconds, or for ever."""


async def sleep_until_stopped(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until the process stops."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


async def run_until_stopped(
    stopping: asyncio.Event, work: Coroutine[Any, Any, T], last_seconds: float = 0.0
) -> T | None:
    """What `work` returns; cancel it and return None where it lasts `last_seconds` after the process began to stop."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=last_seconds)
        return working.result() if working.done() else None
    finally:
        stopped.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


async def gather_or_cancel(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them return, in their order; after an error, cancel the others and raise that error alone."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except* Exception as problems:
        raise problems.exceptions[0] from None
    return [task.result() for task in tasks]


async def retry(work: Callable[[], Awaitable[T]], within_seconds: float | None) -> T:
    """What `work` returns, called again with growing pauses while its errors are transient and the time lasts."""
    try:
        return await work()  # without stamina's context, which costs more than a small query
    except Exception as error:
        if not is_transient(error):
            raise
    async for attempt in stamina.retry_context(
        on=is_transient, attempts=None, timeout=within_seconds, wait_max=MAX_PAUSE_SECONDS
    ):
        with attempt:
            return await work()
    raise AssertionError("stamina returns or raises")


@asynccontextmanager
async def run_beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `works` for as long as the block runs; after an error in a work, cancel the block and raise that error."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_noticed(work)) for work in works]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except* Exception as problems:
        raise problems.exceptions[0] from None
    finally:
        for work in works:
            work.close()  # where its task was cancelled before it began


async def _noticed(work: Coroutine[Any, Any, None]) -> None:
    with stray_cancellations_raised():
        await work
