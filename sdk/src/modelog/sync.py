"""The registry for code without async: an event loop runs in its own thread, and every method waits for it."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, NoReturn, ParamSpec, TypeVar
from weakref import finalize

from modelog.client import Registry
from modelog.envelope import Message
from modelog.errors import Interrupted
from modelog.events import Event
from modelog.home import closed, described, refuse_pickle
from modelog.loop import WAY, Loop

if TYPE_CHECKING:
    from modelog._kafka.reader import Since
    from modelog._kafka.subscription import Subscription
    from modelog.store import Store

E = TypeVar("E", bound=Event)
T = TypeVar("T")
P = ParamSpec("P")

STATUS_OF_INTERRUPTED = 130


def waiting(
    method: Callable[Concatenate[Registry, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncRegistry, P], T]:
    """The method without `await`."""

    @functools.wraps(method)
    def wait(self: SyncRegistry, /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = self.loop
        return loop.wait(method, loop.registry, *args, **kwargs)

    return wait


class SyncRegistry:
    """A `Registry` for `with` and `for`: the same arguments, the same methods, no `await`.

    Open it by `with`, or by `connect()` and `close()`. All threads can use it, also when they run an event loop. A
    process that was forked while it was open connects again at its first call; subscriptions stay with the parent. At
    the end of the process, it is closed.
    """

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
        self._registry = Registry(servers, prefix=prefix, source=source, actor=actor, store=store, kafka=kafka)
        self._loops: dict[int, Loop] = {}  # by process, without a lock, which could be held for ever after a fork
        self._is_open = False

    def __repr__(self) -> str:
        registry = self._registry
        return described("SyncRegistry", registry._kafka["bootstrap_servers"], registry._prefix, is_open=self._is_open)

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)

    @property
    def loop(self) -> Loop:
        """The loop that the methods run in; raise RuntimeError if the registry is closed."""
        if not self._is_open:
            raise closed(WAY)
        return self._loops.get(os.getpid()) or self._new_loop()

    @property
    def registry(self) -> Registry:
        """The registry of the loop."""
        return self.loop.registry

    def _new_loop(self) -> Loop:
        for inherited in self._loops.values():
            inherited.stop()
        made = Loop(self._registry._again())
        kept = self._loops.setdefault(os.getpid(), made)
        if kept is made:
            finalize(self, made.stop).atexit = False
        else:  # another thread was first
            made.close()
        return kept

    def connect(self) -> SyncRegistry:
        """Open it, and return it; an open registry stays as it is. The first event connects it with Kafka."""
        if not self._is_open:
            self._new_loop()
            self._is_open = True
        return self

    def close(self) -> None:
        """Publish what is under way, and end the subscriptions; a closed registry stays as it is."""
        self._is_open = False
        if (loop := self._loops.pop(os.getpid(), None)) is not None:
            loop.close()

    def __enter__(self) -> SyncRegistry:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()

    publish = waiting(Registry.publish)
    trained = waiting(Registry.trained)
    download = waiting(Registry.download)
    serving = waiting(Registry.serving)

    def subscribe(
        self, *types: type[E], group: str | None, since: Since = "earliest", until: Literal["now"] | None = None
    ) -> SyncSubscription[E]:
        """Messages of these types, as from `Registry.subscribe`: `for message in …`.

        Ctrl-C while the loop waits for a message leaves the group and raises Interrupted, which ends a program without
        a traceback; it is a KeyboardInterrupt too, and in an interactive Python just that.
        """
        loop = self.loop

        async def subscribe() -> Subscription[E]:
            return loop.registry.subscribe(*types, group=group, since=since, until=until)

        return SyncSubscription(self, loop, loop.wait(subscribe))


class SyncSubscription(Generic[E]):
    """A `Subscription` for `for`; enter it with `with` to commit the last message before a `break`."""

    def __init__(self, registry: SyncRegistry, loop: Loop, subscription: Subscription[E]) -> None:
        self._registry = registry  # when nothing refers to it, it is closed
        self._loop = loop
        self._subscription = subscription

    def __repr__(self) -> str:
        return repr(self._subscription)

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)

    @property
    def skipped(self) -> int:
        """How many records were passed over, because they cannot be read or their type is unknown."""
        return self._subscription.skipped

    def __enter__(self) -> SyncSubscription[E]:
        self._loop.wait(self._subscription.__aenter__)
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if self._loop.is_open:
            self._loop.wait(self._subscription.__aexit__, failure)

    def __iter__(self) -> Iterator[Message[E]]:
        self._subscription.check()
        messages = self._loop.wait(self._begin)
        try:
            while (message := self._next(messages)) is not None:
                yield message
        finally:
            if self._loop.is_open:  # else it is closed with the registry, or belongs to the parent of this process
                self._loop.wait(messages.aclose)

    async def _begin(self) -> AsyncGenerator[Message[E], None]:
        return self._subscription.__aiter__()

    def _next(self, messages: AsyncGenerator[Message[E], None]) -> Message[E] | None:
        try:
            if self._loop.is_closed and not self._subscription.is_finite:
                return None
            return self._loop.wait(_next, messages)
        except KeyboardInterrupt:
            if self._subscription.is_finite or hasattr(sys, "ps1"):
                raise
            raise Interrupted(STATUS_OF_INTERRUPTED) from None


async def _next(messages: AsyncGenerator[T, None]) -> T | None:
    return await anext(messages, None)
