"""The object store for services: requests in threads of its own, and a memory of objects that were checked lately.

Threads, so that neither the event loop nor other users of the default threads wait for bytes.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from modelog.store import MAX_CONNECTIONS, Store, Unavailable

from shared.runtime.runtime import Runtime
from shared.runtime.waiting import gather_or_cancel

THREADS = MAX_CONNECTIONS // 2
FILES_AT_ONCE = 4
"""The files of one artifact that are read at a time, so that a large artifact leaves threads to the others."""
MAX_SEEN = 10_000
SEEN_SECONDS = 30.0
"""How long an object that was found as promised is not checked again: a hundred models may share it."""

A = TypeVar("A")
B = TypeVar("B")


class RecentlySeen:
    """The objects that were found as promised within the last `seconds`, the oldest first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, float] = {}

    def __contains__(self, what: str) -> bool:
        return self._seen.get(what, -math.inf) > time.monotonic() - self._seconds

    def add(self, what: str) -> None:
        self._seen.pop(what, None)
        self._seen[what] = time.monotonic()
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]


class ArtifactStore:
    """The store of a process. A store that fails raises `Unavailable`: the caller tries again."""

    def __init__(self, store: Store, seen_seconds: float = SEEN_SECONDS) -> None:
        self.store = store
        self.seen = RecentlySeen(seen_seconds)
        self._threads = ThreadPoolExecutor(THREADS, "artifacts")

    @classmethod
    def open(cls, runtime: Runtime) -> ArtifactStore:
        """The store that the settings name."""
        opened = cls(runtime.settings.store())
        runtime.closing.callback(opened.close)
        return opened

    def close(self) -> None:
        """Stop the threads; what they read now they read to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def thread(self, work: Callable[..., A], *arguments: object) -> A:
        """What `work` returns, called in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def each(self, work: Callable[[A], Awaitable[B]], items: Collection[A]) -> list[B]:
        """What `work` returns for each item, a few at a time, in their order; the first error is raised alone."""
        if len(items) == 1:
            return [await work(item) for item in items]
        slots = asyncio.Semaphore(FILES_AT_ONCE)

        async def limited(item: A) -> B:
            async with slots:
                return await work(item)

        return await gather_or_cancel(limited(item) for item in items)

    async def make_bucket(self) -> None:
        """Make the bucket if there is none."""
        await self.thread(self._make_bucket)

    def _make_bucket(self) -> None:
        try:
            with self.store.asking("make the bucket"):
                if not self.store.client.bucket_exists(self.store.bucket):
                    self.store.client.make_bucket(self.store.bucket)
        except Unavailable as error:  # another setup made it between the question and the request
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
