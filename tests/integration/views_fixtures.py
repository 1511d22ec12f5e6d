"""Facts of many models, mixed and appended to a log, and a projector over them."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from modelog.events import Fact

from services.views.engine.definition import VIEWS, View
from services.views.engine.projector import Projector
from shared.log import Append, Entry, Log
from shared.runtime.postgres import session
from shared.runtime.waiting import run_beside
from stack.waiting import until
from tests.histories import History

META = json.dumps({"source": "/test", "cause": str(uuid.UUID(int=1)), "schema": 3})


def mingled(histories: Iterable[tuple[str, Sequence[Fact]]], seed: int = 0) -> list[tuple[str, Fact]]:
    """The facts of many streams in a random order that keeps the order of each stream."""
    streams = {model: iter(facts) for model, facts in histories}
    order = [model for model, facts in histories for _ in facts]
    random.Random(seed).shuffle(order)
    return [(model, next(streams[model])) for model in order]


async def write(log: Log, facts: Iterable[tuple[str, Fact]], heads: dict[str, int]) -> int:
    """Append in this order, each fact in an append of its own; return the last position.

    `heads` has the length of each stream, and is updated.
    """
    position = 0
    for model, fact in facts:
        head = heads.get(model, 0)
        entry = Entry(fact.type, uuid.UUID(int=head + 1), fact.model_dump_json(), META)
        position = (await log.append([Append(model, head, [entry])]))[model].position
        heads[model] = head + 1
    return position


def facts_of(facts: Iterable[Fact]) -> list[tuple[str, Fact]]:
    """Facts as `write` takes them."""
    return [(fact.model, fact) for fact in facts]


def grown(models: Sequence[str], seed: int, facts: int) -> list[tuple[str, Fact]]:
    """A random valid history of these models, in a random order."""
    return mingled([(model, History(model, seed).grow(facts)) for model in models], seed)


@asynccontextmanager
async def projecting(log: Log, views: Sequence[View] = VIEWS) -> AsyncIterator[Projector]:
    """A projector with all views at its position; the test advances it."""
    async with session(log.pool) as connection:
        projector = Projector(log.pool, connection, views)
        await projector.open()
        async with run_beside(*(projector.tend(view) for view in views)):
            await until(lambda: complete(projector), "all views at the position of the projector")
            yield projector


async def complete(projector: Projector) -> bool:
    """Whether every view is followed, with its own fold."""
    found = projector.followed
    return all(
        view.name in found and found[view.name].view is view and found[view.name].current for view in projector.views
    )
