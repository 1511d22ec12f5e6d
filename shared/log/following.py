"""Following the log: the one loop under the relay, the views and every reader of what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.log import Log

SHORTEST, LONGEST = 0.001, 0.008
"""Seconds between two looks at a log that stands still: right after something came, and after a while."""


async def follow(
    log: Log,
    cursor: int,
    work: Callable[[int, int], Awaitable[None]],
    stopping: asyncio.Event,
    most: int = 10_000,
) -> None:
    """Call `work(after, upto)` for each settled range behind `cursor`, of at most `most` positions, until stopping.

    `work` makes its own cursor durable, so what it raises ends the loop and the caller begins again from there.
    """
    pause = SHORTEST
    while not stopping.is_set():
        top = await log.settled()
        if top > cursor:
            upto = min(top, cursor + most)
            await work(cursor, upto)
            cursor, pause = upto, SHORTEST
        else:
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, LONGEST)
