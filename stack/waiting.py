"""Wait for a condition: `wait_until` in plain code, `until` in asyncio."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]


def wait_until(
    condition: Callable[[], T], expected: str, *, seconds: float = 30.0, every: float = 0.05, not_yet: Errors = ()
) -> T:
    """What `condition` returns once that is true; errors of the kind `not_yet` count as false.

    Raise TimeoutError, `expected … within … s`, when `seconds` have passed; `condition` is called once at least.
    """
    limit = _Limit(expected, seconds)
    while True:
        reason: Exception | None = None
        try:
            if found := condition():
                return found
        except not_yet as error:
            reason = error
        limit.check(reason)
        time.sleep(every)


async def until(
    condition: Callable[[], Awaitable[T | None]],
    expected: str,
    *,
    seconds: float = 30.0,
    every: float = 0.05,
    not_yet: Errors = (),
) -> T:
    """The same for a coroutine function."""
    limit = _Limit(expected, seconds)
    while True:
        reason: Exception | None = None
        try:
            if found := await condition():
                return found
        except not_yet as error:
            reason = error
        limit.check(reason)
        await asyncio.sleep(every)


class _Limit:
    def __init__(self, expected: str, seconds: float) -> None:
        self.sentence = f"expected {expected} within {seconds:.0f} s"
        self.end = time.monotonic() + seconds

    def check(self, reason: Exception | None) -> None:
        if time.monotonic() >= self.end:
            raise TimeoutError(f"{self.sentence}: {reason}" if reason else self.sentence) from reason
