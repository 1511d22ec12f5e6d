"""What every path is handed: servers, a scale, and a way to say how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

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
