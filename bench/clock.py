"""Percentiles, and curves of a growing number."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import linear_regression

from bench.cores import Cores


class Stuck(RuntimeError):
    """A number that should grow does not."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the second number grows with the first, by least squares."""
    return linear_regression(*zip(*points, strict=True)).slope if len(points) > 1 else 0.0


@dataclass
class Curve:
    """The number at each moment at which it had grown, and the cores that were used from the first to the last."""

    seen: list[tuple[float, int]] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=dict)

    @property
    def speed(self) -> float:
        """Growth a second, from the first to the last moment."""
        (began, first), (ended, last) = self.seen[0], self.seen[-1]
        return (last - first) / (ended - began) if ended > began else float("nan")

    @property
    def position(self) -> int:
        return self.seen[-1][1]

    async def latest(self) -> int:
        """The position, for another curve of this curve."""
        return self.position

    def slowest(self, seconds: float) -> float:
        """The speed of the slowest stretch of this length; of the whole curve if that is shorter."""
        times = [at for at, _ in self.seen]
        ends = [bisect_left(times, at + seconds) for at in times]
        stretches = [Curve(self.seen[n : end + 1]).speed for n, end in enumerate(ends) if end < len(times)]
        return min(stretches, default=self.speed)

    def reached(self, position: int) -> float:
        """When the number was first seen at `position` or above."""
        return self.seen[bisect_left(self.seen, position, key=lambda point: point[1])][0]


async def drawn(
    ask: Callable[[], Awaitable[int]], upto: int, *, every: float = 0.02, stuck_seconds: float = 30, since: int = 0
) -> Curve:
    """The curve from the first number above `since` to `upto`; raise Stuck if it does not grow for too long."""
    curve, cores, position, moved = Curve(), None, since, time.perf_counter()
    while position < upto:
        found, now = await ask(), time.perf_counter()
        if found > position:
            cores = cores or Cores()
            position, moved = found, now
            curve.seen.append((now, found))
        elif now - moved > stuck_seconds:
            raise Stuck(f"expected {upto:,}, found {position:,} and no more for {stuck_seconds:.0f} s")
        await asyncio.sleep(every)
    curve.used = cores.used() if cores else {}
    return curve


@asynccontextmanager
async def watched(ask: Callable[[], Awaitable[int]], every: float = 0.001) -> AsyncIterator[Curve]:
    """The curve for the time of the block."""
    curve = Curve([(time.perf_counter(), await ask())])

    async def draw() -> None:
        while True:
            found = await ask()
            if found > curve.position:
                curve.seen.append((time.perf_counter(), found))
            await asyncio.sleep(every)

    drawing = asyncio.create_task(draw())
    try:
        yield curve
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
