"""A view alone, up to where the others are; where its fold fails, up to the fact that it fails on."""

from __future__ import annotations

import asyncpg

from services.views.engine.step import Step
from shared.runtime.errors import is_transient

MAX_POSITIONS = 10_000
"""The positions that a view moves by in one statement."""


class FoldFailed(Exception):
    """The fold of a view fails on the fact after `position`."""

    def __init__(self, position: int, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.position = position


async def catch_up(step: Step, after: int, upto: int) -> None:
    """Move a view to `upto`; raise FoldFailed when it is before the fact that it fails on."""
    for start in range(after, upto, MAX_POSITIONS):
        await _fold(step, start, min(upto, start + MAX_POSITIONS))


async def _fold(step: Step, after: int, upto: int) -> None:
    try:
        await step.run(after, upto)
    except asyncpg.PostgresError as error:
        if is_transient(error):
            raise
        if upto - after == 1:
            raise FoldFailed(after, error) from error
        middle = (after + upto) // 2
        await _fold(step, after, middle)
        await _fold(step, middle, upto)
