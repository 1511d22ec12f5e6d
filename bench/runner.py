"""What every path is handed: servers, a scale, and a way to say how far it is."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.place import Place, placed
from bench.row import Row
from bench.scale import Scale
from stack import Addresses


@dataclass
class Bench:
    """One run over the paths."""

    addresses: Addresses
    scale: Scale
    lent: bool = False
    began: float = field(default_factory=time.monotonic)

    def place(self) -> AbstractAsyncContextManager[Place]:
        """A registry for one path."""
        return placed(self.addresses, self.lent)

    def say(self, sentence: str) -> None:
        """Tell whoever waits what happens now."""
        print(f"{time.monotonic() - self.began:6.1f} s  {sentence}", file=sys.stderr, flush=True)


Path = Callable[[Bench], Awaitable[list[Row]]]
T = TypeVar("T")


def begin(work: Coroutine[Any, Any, T]) -> T:
    """Run this on the loop of the services, so that neither side has a faster one."""
    try:
        import uvloop  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
