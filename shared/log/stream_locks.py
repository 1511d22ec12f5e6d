"""Turns: who decides on the same stream in one process does it one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class StreamLocks:
    """A lock for each stream that somebody of this process decides on.

    Correctness rests on versions, and between processes on nothing else. But of three services that decide on one model
    at the same time two are refused, read again and decide again, until one of them waits for a second: 500 runs a
    second of one model took 2,440 ms at p99 before there were turns.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, streams: Iterable[str]) -> AsyncIterator[None]:
        """Be the only one at these streams. All take them in order of name, so that two never wait for each other."""
        held: list[asyncio.Lock] = []
        try:
            for stream in sorted(streams):
                lock = self._locks.setdefault(stream, asyncio.Lock())
                await lock.acquire()
                held.append(lock)
            yield
        finally:
            for lock in held:
                lock.release()
