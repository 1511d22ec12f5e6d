"""Following the log: the loop under the relay, the views and every other reader of new facts."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import JsonValue

from shared.log.store import Log

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.001, 0.008
"""Between two checks of a log without new facts: right after a range, and after a while."""


class Work(ABC):
    """Work on the facts of the log, in order of position.

    `position` is the work's cursor: the facts up to it are done. Where it is durable, `advance` makes it so.
    """

    position: int

    @abstractmethod
    async def advance(self, upto: int) -> None:
        """Do the facts in (position, upto], or the first of them, and move the cursor accordingly.

        An error ends the loop; its caller begins again from the durable cursor.
        """

    def has_more(self) -> bool:
        """Whether `advance` has something to do although the log has no new fact."""
        return False

    def problem(self) -> str | None:
        """Why the work is not complete, as a sentence; None if it is."""
        return None

    def state(self) -> dict[str, JsonValue]:
        """The fields that `/readyz` shows of this work besides its position."""
        return {}


@dataclass
class Ranges(Work):
    """Work that is one call of `handle(after, upto)` for each range; the cursor is in memory."""

    position: int
    handle: Callable[[int, int], Awaitable[None]]

    async def advance(self, upto: int) -> None:
        await self.handle(self.position, upto)
        self.position = upto


async def follow(
    log: Log,
    work: Work,
    stopping: asyncio.Event,
    max_positions: int = 10_000,
    checked: Callable[[int], None] = lambda _settled: None,
) -> None:
    """Advance `work` over each settled range, of at most `max_positions`, until the process stops.

    `checked` is called with the settled position at each check, at least every few milliseconds while `work` returns.
    """
    pause = MIN_PAUSE_SECONDS
    while not stopping.is_set():
        settled = await log.settled()
        checked(settled)
        if settled > work.position or work.has_more():
            await work.advance(max(work.position, min(settled, work.position + max_positions)))
            pause = MIN_PAUSE_SECONDS
        else:
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, MAX_PAUSE_SECONDS)
