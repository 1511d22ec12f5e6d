"""Long work on the event loop, in slices between which everything else gets its turn."""

from __future__ import annotations

import asyncio
import time

SLICE_SECONDS = 0.01


class Slices:
    """`await pause()` after each small step of the work: other tasks run once a slice has taken its time."""

    def __init__(self) -> None:
        self._end = time.perf_counter() + SLICE_SECONDS

    async def pause(self) -> None:
        """Let other tasks run if the slice is over."""
        if time.perf_counter() >= self._end:
            await asyncio.sleep(0)
            self._end = time.perf_counter() + SLICE_SECONDS
