"""The registry for code without async: an event loop runs in its own thread, and every method waits for it."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

from modelog.client import Registry
from modelog.envelope import Message
from modelog.events import Event

if TYPE_CHECKING:
    from modelog._kafka.reader import Since
    from modelog._kafka.subscription import Subscription
    from modelog.store import Store

E = TypeVar("E", bound=Event)
T = TypeVar("T")
P = ParamSpec("P")


CLEANUP_TIMEOUT_SECONDS = 15.0
"""For a method that was interrupted."""


class Loop:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="modelog", daemon=True)
        self._thread.start()

    def wait(self, coroutine: Awaitable[T]) -> T:
        """Return what the coroutine returns; when the caller is interrupted, cancel it and wait for its cleanup."""
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_until_ended(coroutine, ended), self._loop)
        try:
            return future.result()
        except BaseException:
            if future.cancel():
                ended.wait(CLEANUP_TIMEOUT_SECONDS)
            raise

    def close(self) -> None:
        """End the thread."""
        self.wait(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def waiting(
    method: Callable[Concatenate[Registry, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncRegistry, P], T]:
    """The method without `await`."""

    @functools.wraps(method)
    def wait(self: SyncRegistry, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.loop.wait(method(self.registry, *args, **kwargs))

    return wait


class SyncRegistry:
    """A `Registry` for `with` and `for`: the same arguments, the same methods, no `await`."""

    def __init__(
        self,
        servers: str | None = None,
        *,
        prefix: str | None = None,
        source: str = "modelog-sdk",
        actor: str | None = None,
        store: Store | None = None,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        self.registry = Registry(servers, prefix=prefix, source=source, actor=actor, store=store, kafka=kafka)
        self._loop: Loop | None = None

    @property
    def loop(self) -> Loop:
        """The loop that the methods run in; raise RuntimeError if the registry is closed."""
        if self._loop is None:
            raise RuntimeError("the registry is closed: open it with `with SyncRegistry() as registry`")
        return self._loop

    def __enter__(self) -> SyncRegistry:
        self._loop = Loop()
        try:
            self._loop.wait(self.registry.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.loop.wait(self.registry.__aexit__())
        finally:
            self.loop.close()
            self._loop = None

    publish = waiting(Registry.publish)
    trained = waiting(Registry.trained)
    download = waiting(Registry.download)

    def subscribe(
        self, *types: type[E], group: str | None, since: Since = "earliest", until: Literal["now"] | None = None
    ) -> SyncSubscription[E]:
        """Messages of these types, as from `Registry.subscribe`: `for message in …`."""
        return SyncSubscription(self.loop, self.registry.subscribe(*types, group=group, since=since, until=until))


class SyncSubscription(Generic[E]):
    """A `Subscription` for `for`; enter it with `with` to commit the last message before a `break`."""

    def __init__(self, loop: Loop, subscription: Subscription[E]) -> None:
        self._loop = loop
        self._subscription = subscription

    @property
    def skipped(self) -> int:
        """How many records were passed over, because they cannot be read or their type is unknown."""
        return self._subscription.skipped

    def __enter__(self) -> SyncSubscription[E]:
        self._loop.wait(self._subscription.__aenter__())
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        self._loop.wait(self._subscription.__aexit__(failure))

    def __iter__(self) -> Iterator[Message[E]]:
        messages = self._subscription.__aiter__()
        try:
            while (message := self._loop.wait(_next(messages))) is not None:
                yield message
        finally:
            self._loop.wait(messages.aclose())


async def _next(messages: AsyncGenerator[T, None]) -> T | None:
    return await anext(messages, None)


async def _until_ended(coroutine: Awaitable[T], ended: threading.Event) -> T:
    try:
        return await coroutine
    finally:
        ended.set()
