"""The object store for services: requests in threads of its own, and a memory of objects that were checked lately.

Threads, so that neither the event loop nor other users of the default threads wait for bytes. Large artifacts have
threads of their own, so that no small artifact waits for them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Collection, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from modelog.store import MAX_CONNECTIONS, Store, Unavailable

from shared.artifacts.memory import Memory
from shared.artifacts.readiness import StoreCheck
from shared.artifacts.recently_seen import RecentlySeen
from shared.runtime.runtime import Resource, Runtime
from shared.runtime.waiting import gather_or_cancel

THREADS = MAX_CONNECTIONS // 2
LARGE_THREADS = max(1, min(4, (os.cpu_count() or 2) // 2))
"""The threads that read and copy large artifacts: these wait for each other, and small ones do not wait for them.

Digests take a core each, so half of the cores are left to all else.
"""
LARGE_BYTES, LARGE_FILES = 16 * 1024 * 1024, 256
"""An artifact with more bytes or more files than this is large."""
FILES_AT_ONCE = 4
"""The files of one artifact that are read at a time, so that it leaves threads to the others."""
LOOKS_AT_ONCE = MAX_CONNECTIONS
"""The objects of one version whose size is asked at a time: each takes a round trip, and no bytes."""
MAX_FAULTS = 10
"""The faults of one artifact after which its other files are not looked at: so many are named in a refusal."""
ITEMS_IN_SLICE = 100
"""The items that are computed, or answered from memory, without a turn of the event loop: about a millisecond."""
SEEN_SECONDS = 60.0
"""How long an object that was found as promised is not checked again: a hundred models may share it."""
MAX_ETAGS = 10_000
"""The blobs whose ETag is remembered, since it was read or first seen."""

A = TypeVar("A")
B = TypeVar("B")


def is_large(sizes: Collection[int]) -> bool:
    """Whether files of these sizes in bytes are a large artifact."""
    return len(sizes) > LARGE_FILES or sum(sizes) > LARGE_BYTES


class ArtifactStore(Resource):
    """The store of a process. A store that fails raises `Unavailable`: the caller tries again."""

    def __init__(self, store: Store, seen_seconds: float = SEEN_SECONDS) -> None:
        self.store = store
        self.seen = RecentlySeen(seen_seconds)
        self.etags: Memory[Hashable, str] = Memory(MAX_ETAGS)
        self._threads = ThreadPoolExecutor(THREADS, "artifacts")
        self._large_threads = ThreadPoolExecutor(LARGE_THREADS, "artifacts-large")
        self._look_threads = ThreadPoolExecutor(LOOKS_AT_ONCE, "artifacts-look")
        self._check = StoreCheck(store)

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        """The store that the settings name."""
        opened = cls(runtime.settings.store())
        runtime.closing.callback(opened.close)
        return opened

    def close(self) -> None:
        """Stop the threads, when each has answered the request that it waits for."""
        for threads in (self._threads, self._large_threads, self._look_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    async def problem(self) -> str | None:
        """Why the store cannot be used now: it refuses our key, has no bucket, does not answer. None if it can."""
        return await self._check.problem()

    async def thread(self, work: Callable[..., A], *arguments: object, large: bool = False) -> A:
        """What `work` returns, called in a thread; `large` if it reads or copies a file of a large artifact."""
        threads = self._large_threads if large else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)

    async def look(self, work: Callable[..., A], *arguments: object) -> A:
        """What `work` returns, called in a thread: a request that is answered with few bytes."""
        return await asyncio.get_running_loop().run_in_executor(self._look_threads, work, *arguments)

    async def read(self, work: Callable[..., A], *arguments: object, large: bool) -> A:
        """What `work` returns, called in a thread with a last argument: a function that tells whether it is to stop.

        It is to stop when nobody waits for it any more: the message will come again, or the process ends.
        """
        stop = threading.Event()
        try:
            return await self.thread(work, *arguments, stop.is_set, large=large)
        finally:
            stop.set()

    async def compute(self, work: Callable[..., A], *arguments: object, items: int) -> A:
        """What `work` returns, computed in a thread where so many items would hold up the event loop."""
        return work(*arguments) if items <= ITEMS_IN_SLICE else await self.thread(work, *arguments)

    async def each(
        self,
        work: Callable[[A], Awaitable[B]],
        items: Collection[A],
        is_fault: Callable[[B], bool] = lambda _: False,
        max_faults: int = MAX_FAULTS,
        at_once: int = FILES_AT_ONCE,
    ) -> list[B]:
        """What `work` returns for each item, some at a time, in their order; the first error is raised alone.

        After `max_faults` faults no further item is begun: what is returned then is shorter than `items`.
        """
        waiting, outcomes, faults = iter(enumerate(items)), dict[int, B](), 0

        async def work_off() -> None:
            nonlocal faults
            for number, item in waiting:
                if faults >= max_faults:
                    return
                outcomes[number] = outcome = await work(item)
                faults += is_fault(outcome)
                if number % ITEMS_IN_SLICE == ITEMS_IN_SLICE - 1:
                    await asyncio.sleep(0)

        if len(items) == 1:
            await work_off()  # most artifacts are one file, and need no tasks
        else:
            await gather_or_cancel(work_off() for _ in range(min(at_once, len(items))))
        return [outcomes[number] for number in sorted(outcomes)]

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
