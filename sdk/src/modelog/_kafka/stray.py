"""Cancellations that nobody asked for: aiokafka cancels its own work when it loses a broker, and lets that out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from modelog.errors import TransientError


class StrayCancellation(TransientError):
    """An awaited future was cancelled, and not the task: the same call may work later."""


@contextmanager
def stray_cancellations_raised() -> Iterator[None]:
    """Raise StrayCancellation where nobody has cancelled this task, which would end as if somebody had.

    Python 3.10 does not tell: there every cancellation counts as somebody's.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        cancelling = getattr(asyncio.current_task(), "cancelling", None)
        if cancelling is None or cancelling():
            raise
        raise StrayCancellation("a client of a server cancelled its own work") from error
