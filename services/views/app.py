"""The views' process: one of its kind follows the log, the others stand by and take over."""

from __future__ import annotations

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.views.engine.cursors import Cursor
from services.views.engine.definition import VIEWS
from services.views.engine.projector import MOST, CursorMoved, NewerFold, Projector
from shared.log import Log
from shared.log.following import Ranges, follow
from shared.runtime.postgres import session
from shared.runtime.runtime import Runtime
from shared.runtime.waiting import run_until_stopped, sleep_until_stopped

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

FAULTS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The last is what asyncpg raises when the server ends a connection at the very moment it is used."""

log = structlog.get_logger()


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
        self.failures = 0

    def describe(self) -> dict[str, str]:
        """The views, and where each stands once it is open."""
        shown = {view.name: f"fold {view.version}" for view in VIEWS}
        for name, cursor in self.cursors.items():
            shown[name] = f"fold {cursor.fold}, generation {cursor.generation}, at {cursor.position}"
        return shown

    async def run(self, process: Runtime) -> None:
        """Follow the log until the process stops; begin again from the cursors after every failure."""
        while not process.stopping.is_set():
            try:
                async with session(process.pool) as connection:
                    wait = await self._work(process, Projector(process.pool, connection))
            except FAULTS as error:
                wait = min(FIRST * 2**self.failures, LONGEST)
                self.failures += 1
                detail = f"{type(error).__name__}: {error}"
                log.warning("the views stand still", error=detail, again_in=wait)
                process.health.report(self.name, False, detail)
            await sleep_until_stopped(process.stopping, wait)

    async def _work(self, process: Runtime, projector: Projector) -> float:
        """Follow the log for as long as it goes, and return how many seconds to wait before the next attempt."""
        if not await projector.lock():
            process.health.report(self.name, True, "standing by: another process keeps the views")
            return STANDBY
        try:
            await self._follow(process, projector)
        except NewerFold as error:
            process.health.report(self.name, True, f"standing by: {error}")
            return LONGEST
        except CursorMoved as error:
            log.info("the views moved, opening them again", found=str(error))
        return 0.0

    async def _follow(self, process: Runtime, projector: Projector) -> None:
        # Building a table may take minutes.
        found = await run_until_stopped(process.stopping, projector.open())
        if found is None:
            return
        self.cursors, self.failures = found, 0
        watched = Watched(process.pool)
        watched.cursor = next(iter(found.values())).position
        process.health.report(self.name, True, ", ".join(f"{name}: {told}" for name, told in self.describe().items()))
        log.info("the views are open", **self.describe())

        async def work(after: int, upto: int) -> None:
            with SECONDS.time():
                FACTS.inc(await projector.step(after, upto))
            watched.cursor = upto

        await follow(watched, Ranges(watched.cursor, work), process.stopping, MOST)


service = Views()
