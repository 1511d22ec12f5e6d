"""The views' process: one of its kind follows the log, the others stand by and take over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.views.cursors import Cursor
from services.views.definition import VIEWS
from services.views.projector import MOST, Moved, Newer, Projector
from shared.following import follow
from shared.log import Log

FACTS = Counter("modelog_views_facts", "Facts folded into the views.")
SECONDS = Histogram(
    "modelog_views_step_seconds",
    "Seconds a step of all views took.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1, 5),
)
LAG = Gauge("modelog_views_lag_positions", "Positions that are settled and not yet shown by the views.")

STANDBY = 0.5
"""Seconds until one that stands by looks again."""
FIRST, LONGEST = 0.1, 5.0
"""Seconds to wait after a failure: the first time, and at most."""

FAULTS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

log = structlog.get_logger()


class Health(Protocol):
    def ready(self, part: str, well: bool, detail: str) -> None: ...


class Process(Protocol):
    """What the views need of the process they run in."""

    @property
    def log(self) -> Log: ...
    @property
    def stopping(self) -> asyncio.Event: ...
    @property
    def health(self) -> Health: ...


class Watched(Log):
    """The log, telling how far its end is from where the views are."""

    cursor = 0

    async def settled(self) -> int:
        top = await super().settled()
        LAG.set(top - self.cursor)
        return top


class Views:
    """Keeps every view up to date with the log."""

    name = "views"

    def __init__(self) -> None:
        self.cursors: dict[str, Cursor] = {}

    def card(self) -> dict[str, str]:
        """The views, and where each stands once it is open."""
        shown = {view.name: f"fold {view.version}" for view in VIEWS}
        for name, cursor in self.cursors.items():
            shown[name] = f"fold {cursor.fold}, generation {cursor.generation}, at {cursor.position}"
        return shown

    async def run(self, process: Process) -> None:
        """Follow the log until the process stops; begin again from the cursors after every failure."""
        wait = FIRST
        while not process.stopping.is_set():
            try:
                async with process.log.pool.acquire() as connection:
                    projector = Projector(process.log.pool, connection)
                    if not await projector.lock():
                        process.health.ready(self.name, True, "standing by: another process keeps the views")
                        wait = STANDBY
                    else:
                        await self._follow(process, projector)
            except Newer as error:
                process.health.ready(self.name, True, f"standing by: {error}")
                wait = LONGEST
            except Moved as error:
                log.info("the views moved, opening them again", found=str(error))
                wait = 0
            except FAULTS as error:
                detail = f"{type(error).__name__}: {error}"
                log.warning("the views stand still", error=detail, again_in=wait)
                process.health.ready(self.name, False, detail)
                wait = min(wait * 2 or FIRST, LONGEST)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.stopping.wait(), wait)

    async def _follow(self, process: Process, projector: Projector) -> None:
        self.cursors = await projector.open()
        watched = Watched(process.log.pool)
        watched.cursor = next(iter(self.cursors.values())).position
        process.health.ready(self.name, True, ", ".join(f"{name}: {told}" for name, told in self.card().items()))
        log.info("the views are open", **self.card())

        async def work(after: int, upto: int) -> None:
            with SECONDS.time():
                FACTS.inc(await projector.step(after, upto))
            watched.cursor = upto

        await follow(watched, watched.cursor, work, process.stopping, MOST)


views = Views()
