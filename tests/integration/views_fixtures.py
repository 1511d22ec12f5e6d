"""Facts of many models, mixed and appended to a log."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Sequence

from modelog.events import Fact

from shared.log import Append, Entry, Log


def mingled(histories: Iterable[tuple[str, Sequence[Fact]]], seed: int = 0) -> list[tuple[str, Fact]]:
    """The facts of many streams in one order of many, each stream's own order kept."""
    streams = {model: iter(facts) for model, facts in histories}
    order = [model for model, facts in histories for _ in facts]
    random.Random(seed).shuffle(order)
    return [(model, next(streams[model])) for model in order]


async def write(log: Log, facts: Iterable[tuple[str, Fact]], heads: dict[str, int]) -> int:
    """Append in this order, each fact with an append of its own kind of luck; return the last position.

    `heads` holds how long each stream is, and is brought up to date.
    """
    position = 0
    for model, fact in facts:
        head = heads.get(model, 0)
        entry = Entry(fact.type, uuid.UUID(int=head + 1), fact.model_dump_json(), "{}")
        position = (await log.append([Append(model, head, [entry])]))[model].position
        heads[model] = head + 1
    return position


def told(facts: Iterable[Fact]) -> list[tuple[str, Fact]]:
    """Facts as `write` takes them."""
    return [(fact.model, fact) for fact in facts]
