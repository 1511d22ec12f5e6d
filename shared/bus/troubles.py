"""Transient errors that a service waits for to pass, and since when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from modelog._kafka.stray import stray_cancellations_raised

logger = structlog.get_logger()
T = TypeVar("T")

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 5.0


@dataclass(frozen=True)
class Trouble:
    """The last error of a call that is repeated since `since`, by time.monotonic."""

    since: float
    error: str


class Troubles:
    """The calls that are repeated at the moment because of transient errors."""

    def __init__(self) -> None:
        self._by_call: dict[object, Trouble] = {}

    async def persist(self, work: Callable[[], Awaitable[T]], is_transient: Callable[[BaseException], bool]) -> T:
        """What `work` returns, called again with growing pauses while its errors are transient."""
        call, pause = object(), FIRST_PAUSE_SECONDS
        try:
            while True:
                try:
                    with stray_cancellations_raised():
                        return await work()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    since = self._by_call[call].since if call in self._by_call else time.monotonic()
                    self._by_call[call] = Trouble(since, f"{type(error).__name__}: {error}")
                    if pause == FIRST_PAUSE_SECONDS:
                        logger.warning("a transient error, the call is repeated", error=self._by_call[call].error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
        finally:
            self._by_call.pop(call, None)

    def oldest(self) -> Trouble | None:
        """The trouble that lasts longest, if there is any."""
        return min(self._by_call.values(), key=lambda trouble: trouble.since, default=None)
