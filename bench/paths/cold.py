"""A batch of models whose histories are not in memory, as after a start: how long the event loop stops for it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from modelog.envelope import Message
from modelog.policy import DEFAULT

from bench.events import drifted
from bench.loading import SNAPSHOT_KEY, load
from bench.row import Row
from bench.runner import Bench
from services.promotion.decision import Promote, promotion
from services.retraining.decision import Consider, retraining
from shared.deciding.command_handler import CommandHandler
from shared.domain.command import Cause, CausedCommand
from shared.domain.decider import Decider
from shared.log import Log

TICK_SECONDS = 0.001
AIM_MS = 100


async def measure(bench: Bench) -> list[Row]:
    models, facts = bench.scale.cold_models, bench.scale.cold_facts
    rows: list[Row] = []
    async with bench.sandbox() as sandbox:
        names = await load(sandbox, models * facts, models, templates=models // 10)
        bench.progress(f"cold: {len(names)} models with {facts:,} facts each, answered in a batch")
        async with await sandbox.service() as pool:
            for decider, command in ((promotion, _promote), (retraining, _consider)):
                stops, seconds = await _answered(Log(pool), decider, [command(name) for name in names])
                note = f"{len(names)} models with {facts:,} facts each are read and answered in {seconds:.1f} s"
                longest = max(stops) * 1000
                rows.append(Row(f"cold batch, {decider.name}, longest stop", "ms", longest, None, AIM_MS, note=note))
    return rows


async def _answered(
    log: Log, decider: Decider[Any, Any], commands: Sequence[CausedCommand[Any]]
) -> tuple[list[float], float]:
    """The seconds of each stop of the event loop beyond a tick, and of the whole answer."""
    handler = CommandHandler(log, decider, snapshot_key=SNAPSHOT_KEY)
    began = time.perf_counter()
    async with _ticking() as stops:
        await handler.answer(commands)
        seconds = time.perf_counter() - began
        if handler.writing_snapshot:
            await handler.writing_snapshot
    return stops, seconds


@asynccontextmanager
async def _ticking() -> AsyncIterator[list[float]]:
    """How much later than asked each tick came."""
    stops = [0.0]

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            stops.append(time.perf_counter() - before - TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield stops
    finally:
        await asyncio.sleep(2 * TICK_SECONDS)  # a stop that lasts until now is counted by the tick behind it
        ticking.cancel()
        await asyncio.wait([ticking])


def _promote(model: str) -> CausedCommand[Promote]:
    return CausedCommand(Promote(model, 1, "nowhere", "ada", "", DEFAULT), _cause(model))


def _consider(model: str) -> CausedCommand[Consider]:
    return CausedCommand(Consider(drifted(model), uuid.uuid4(), DEFAULT, datetime.now(UTC)), _cause(model))


def _cause(model: str) -> Cause:
    return Cause.of(Message(event=drifted(model), id=str(uuid.uuid4()), source="/bench"))
