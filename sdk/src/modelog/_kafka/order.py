"""The order of facts: what was given out of a model and a type is not followed by what is older."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterable
from typing import Any

from modelog.envelope import FIRST_EPOCH, Message
from modelog.events import ModelPromoted

MAX_MODELS = 100_000
"""Whose latest fact on each topic is remembered, those read last: about 30 MB."""


def place(message: Message[Any]) -> tuple[int, int]:
    """Where a fact is in the log: a restored log begins another epoch."""
    return message.epoch or FIRST_EPOCH, message.sequence or 0


class Latest:
    """The latest fact of each model and type that was given out.

    A relay sends a range of facts again after it was replaced, and a relay that does not know yet that it was replaced
    sends old ones.
    """

    def __init__(self, most: int = MAX_MODELS) -> None:
        self._most = most
        self._places: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def is_newer(self, message: Message[Any]) -> bool:
        """Whether a newer fact than this was given out; if not, this is the latest from now on."""
        if message.sequence is None:
            return False
        key, found = (message.event.type, message.event.model), place(message)
        if self._places.get(key, found) > found:
            return True
        self._places[key] = found
        self._places.move_to_end(key)
        if len(self._places) > self._most:
            self._places.popitem(last=False)
        return False


async def serving(promotions: AsyncIterable[Message[ModelPromoted]], stage: str) -> Message[ModelPromoted] | None:
    """Which promotion of a model fills the stage after all of them, however often and late each comes."""
    latest: Message[ModelPromoted] | None = None
    async for promotion in promotions:
        concerns = stage in (promotion.event.stage, promotion.event.leaves)
        if concerns and (latest is None or place(promotion) >= place(latest)):
            latest = promotion
    return latest if latest is not None and latest.event.stage == stage else None
