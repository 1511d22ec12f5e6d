"""An event loop in a thread of its own, with a registry that is open in it."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import ParamSpec, TypeVar

from modelog.client import Registry
from modelog.home import closed, keep

T = TypeVar("T")
P = ParamSpec("P")

CLEANUP_TIMEOUT_SECONDS = 15.0
"""For a method that was interrupted, and for the thread at the end of the process."""
WAY = "with SyncRegistry() as registry"


class Loop:
    """A daemon thread with an event loop, in which the registry is open until the loop is closed.

    It is closed at the latest when the process ends. In a process that was forked from this, nothing of it is used.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._lock = threading.RLock()  # the garbage collector may stop the loop at any moment, also in `wait`
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="modelog", daemon=True)
        self._thread.start()
        atexit.register(self.close)
        try:
            self.wait(registry.connect)
        except BaseException:
            self.close()
            raise

    @property
    def is_here(self) -> bool:
        """Whether this is the process of the loop, and not a process that was forked from it."""
        return os.getpid() == self._process

    @property
    def is_open(self) -> bool:
        """Whether it can be waited for."""
        return self.is_here and not self._is_stopping

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, in its process."""
        return self.is_here and self._is_stopping

    def wait(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in the loop and return its result; when the caller is interrupted, wait for its cleanup.

        Raise RuntimeError if the loop is closed, also meanwhile, in a forked process, and in the thread of the loop.
        """
        if not self.is_here:
            raise RuntimeError("this was opened before the process was forked: subscribe again in this process")
        if threading.current_thread() is self._thread:
            raise RuntimeError("this is the thread of the registry's event loop, which cannot wait: use a Registry")
        ended = threading.Event()

        async def until_ended() -> T:
            try:
                return await function(*args, **kwargs)
            finally:
                ended.set()

        with self._lock:
            if self._is_stopping:
                raise closed(WAY)
            future = asyncio.run_coroutine_threadsafe(until_ended(), self._loop)
        try:
            return future.result()
        except CancelledError:
            if self._is_stopping:
                raise RuntimeError("the registry was closed meanwhile: whether this was done is not known") from None
            raise
        except BaseException:
            if future.cancel():
                ended.wait(CLEANUP_TIMEOUT_SECONDS)
            raise

    def stop(self) -> None:
        """End the thread, without waiting for it."""
        if not self.is_here:
            self._loop.set_exception_handler(lambda *_: None)  # what the parent has open is not forgotten here
            keep(self)
            return
        with self._lock:
            if not self._is_stopping:
                self._is_stopping = True
                self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        """Close the registry and end the thread."""
        self.stop()
        if self.is_here and threading.current_thread() is not self._thread:
            self._thread.join(CLEANUP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        self._loop.run_forever()
        try:
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()
            atexit.unregister(self.close)

    async def _end(self) -> None:
        await self.registry.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
