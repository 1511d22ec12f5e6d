"""Where a registry was opened: its connections work in that process and that event loop only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import NoReturn

_of_the_parent: list[object] = []


def keep(of_the_parent: object) -> None:
    """Keep what a forked process inherited, unused, until it ends: collected, it would close what the parent uses."""
    _of_the_parent.append(of_the_parent)


class Home:
    """The process and the running event loop."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.get_running_loop()

    @property
    def is_here(self) -> bool:
        """Whether this is the process, and not a process that was forked from it."""
        return os.getpid() == self._process

    @property
    def is_lost(self) -> bool:
        """Whether its connections cannot be closed any more: this is another process, or the loop has ended."""
        return not self.is_here or self._loop.is_closed()

    def check_process(self) -> None:
        """Raise RuntimeError in a process that was forked from this."""
        if not self.is_here:
            raise RuntimeError(
                "this registry was opened before the process was forked, and its connections belong to the parent: "
                "open a Registry in each process, or use a SyncRegistry, which connects again"
            )

    def check(self) -> None:
        """Raise RuntimeError in another process, and in another event loop or thread."""
        self.check_process()
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "this registry was opened in another event loop: open a Registry in each loop and thread, or use a "
                "SyncRegistry, which all threads can use"
            )


def closed(way: str = "async with Registry() as registry") -> RuntimeError:
    """The error of a registry that is not open."""
    return RuntimeError(f"the registry is closed: open it with `{way}`, or with `registry.connect()`")


def described(name: str, servers: str | Sequence[str], prefix: str, *, is_open: bool) -> str:
    """The repr of a registry, without what a password could be in."""
    text = servers if isinstance(servers, str) else ",".join(servers)
    return f"<{name} {text}{f', prefix {prefix!r}' if prefix else ''}, {'open' if is_open else 'closed'}>"


def refuse_pickle(what: object) -> NoReturn:
    """Raise TypeError: connections cannot be sent to another process."""
    raise TypeError(
        f"a {type(what).__name__} has connections, which cannot be copied or pickled: "
        "open a registry in each process, or pass its arguments"
    )
