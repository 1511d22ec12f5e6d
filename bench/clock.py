"""Percentiles, and curves of something that moves."""

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
    """What should move stands still."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so many are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the second number grows with the first, by least squares."""
    return linear_regression(*zip(*points, strict=True)).slope if len(points) > 1 else 0.0


@dataclass
class Curve:
    """Where something stood, when that was first seen, and who used the processors from the first to the last."""

    seen: list[tuple[float, int]] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=dict)

    @property
    def speed(self) -> float:
        """How far it came a second, from the first to the last time that it had moved."""
        (began, first), (ended, last) = self.seen[0], self.seen[-1]
        return (last - first) / (ended - began) if ended > began else float("nan")

    @property
    def position(self) -> int:
        return self.seen[-1][1]

    def slowest(self, seconds: float) -> float:
        """The speed of the slowest stretch of so many seconds; of all of it if it is shorter."""
        times = [at for at, _ in self.seen]
        ends = [bisect_left(times, at + seconds) for at in times]
        stretches = [Curve(self.seen[n : end + 1]).speed for n, end in enumerate(ends) if end < len(times)]
        return min(stretches, default=self.speed)

    def reached(self, position: int) -> float:
        """When it was first seen there or beyond."""
        return self.seen[bisect_left(self.seen, position, key=lambda one: one[1])][0]


async def until(ask: Callable[[], int], enough: int, patience: float = 30) -> None:
    """Return when so many are there; raise Stuck if none come for too long."""
    seen, moved = ask(), time.monotonic()
    while seen < enough:
        await asyncio.sleep(0.005)
        if (found := ask()) > seen:
            seen, moved = found, time.monotonic()
        elif time.monotonic() - moved > patience:
            raise Stuck(f"expected {enough:,}, found {seen:,} and no more for {patience:.0f} s")


async def drawn(
    ask: Callable[[], Awaitable[int]], upto: int, *, every: float = 0.02, patience: float = 30, since: int = 0
) -> Curve:
    """The curve from the first movement above `since` until `upto`; raise Stuck if it stands still for too long."""
    curve, cores, position, moved = Curve(), None, since, time.perf_counter()
    while position < upto:
        found, now = await ask(), time.perf_counter()
        if found > position:
            cores = cores or Cores()
            position, moved = found, now
            curve.seen.append((now, found))
        elif now - moved > patience:
            raise Stuck(f"expected to reach {upto:,}, found it standing at {position:,} for {patience:.0f} s")
        await asyncio.sleep(every)
    curve.used = cores.used() if cores else {}
    return curve


@asynccontextmanager
async def watched(ask: Callable[[], Awaitable[int]], every: float = 0.001) -> AsyncIterator[Curve]:
    """A curve that is drawn as long as the block runs."""
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
