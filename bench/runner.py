"""What every path gets: servers, a scale, and a way to print its progress."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.row import Row
from bench.sandbox import bench_sandbox
from bench.scale import Scale
from services.__main__ import GC_THRESHOLDS
from stack import Addresses
from stack.disposable import Sandbox


@dataclass
class Bench:
    """A run over the paths."""

    addresses: Addresses
    scale: Scale
    began: float = field(default_factory=time.monotonic)

    def sandbox(self) -> AbstractAsyncContextManager[Sandbox]:
        """A registry for a single path."""
        return bench_sandbox(self.addresses)

    def progress(self, sentence: str) -> None:
        """Print what happens now to stderr."""
        print(f"{time.monotonic() - self.began:6.1f} s  {sentence}", file=sys.stderr, flush=True)


Path = Callable[[Bench], Awaitable[list[Row]]]
T = TypeVar("T")


def begin(work: Coroutine[Any, Any, T]) -> T:
    """Run this on the event loop and with the garbage collection that the services use, so that the speed is theirs."""
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        import uvloop  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
