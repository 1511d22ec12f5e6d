"""An event loop in a thread of its own, with a registry that is open in it."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, ParamSpec, TypeVar

from modelog.client import Registry
from modelog.home import closed, keep

T = TypeVar("T")
P = ParamSpec("P")

CLEANUP_TIMEOUT_SECONDS = 15.0
"""For a method that was interrupted, and for the thread at the end of the process."""
WAY = "with SyncRegistry() as registry"


class _Call(Generic[T]):
    """A function that is called in a loop; the methods are too, but `result`, which is asked after the end.

    Ctrl-C may come between any two steps of the thread that waits, so what it has to know is here before the first.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], Awaitable[T]]) -> None:
        self.ended = threading.Event()
        self._loop = loop
        self._function = function
        self._task: asyncio.Task[T] | None = None

    def begin(self) -> None:
        """Call the function."""
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._end)

    async def _run(self) -> T:
        return await self._function()

    def _end(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # who was interrupted does not ask for it, and asyncio would log it
        self.ended.set()

    def cancel(self) -> None:
        """Cancel it, if it has begun."""
        if self._task is None:
            self.ended.set()
        else:
            self._task.cancel()

    def result(self) -> T:
        """What it returned; raise what it raised."""
        assert self._task is not None
        return self._task.result()


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
        call = _Call(self._loop, functools.partial(function, *args, **kwargs))
        try:
            with self._lock:
                is_closed = self._is_stopping
                if not is_closed:
                    self._loop.call_soon_threadsafe(call.begin)
            if not is_closed:
                call.ended.wait()
        except BaseException:
            with suppress(RuntimeError):  # the loop is closed, and the call has ended
                self._loop.call_soon_threadsafe(call.cancel)
                call.ended.wait(CLEANUP_TIMEOUT_SECONDS)
            raise
        if is_closed:
            raise closed(WAY)
        try:
            return call.result()
        except asyncio.CancelledError:
            if self._is_stopping:
                raise RuntimeError("the registry was closed meanwhile: whether this was done is not known") from None
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
