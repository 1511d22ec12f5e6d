"""The projector: follows the log with every view, whatever views there are.

The views that are at its position move together, in one statement. A view that is not (it fails, it is behind, or
its table is missing or of an older fold) is brought there by its own task, on another connection, and then joins them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg
import structlog
from prometheus_client import Counter, Histogram
from pydantic import JsonValue

from services.views.engine import cursors
from services.views.engine.building import NewTable, builder
from services.views.engine.catching_up import FoldFailed, catch_up
from services.views.engine.cursors import Cursor, CursorMoved
from services.views.engine.definition import VIEWS, View
from services.views.engine.step import SESSION, Followed, Step
from services.views.engine.swapping import NEAR_POSITIONS, ColumnsChanged, renew, show_again
from shared.log.following import Work
from shared.runtime.errors import TRANSIENT, is_transient
from shared.runtime.postgres import session

FACTS = Counter("modelog_views_facts", "Facts folded into the views.")
SECONDS = Histogram(
    "modelog_views_step_seconds",
    "Seconds that a step of the views took.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1, 5),
)

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 120.0
"""Between two attempts to bring a view that failed."""
POLL_SECONDS = 0.005
"""Between two checks whether the other views have come to the position of a new table."""

logger = structlog.get_logger()


@dataclass(frozen=True)
class Failure:
    """Why a view is set aside, and up to which position it shows the facts."""

    position: int
    error: str


class Projector(Work):
    """Follows the log on the connection that holds the lock of the only projector.

    If that connection breaks unnoticed and another projector begins, the cursors let only one of the two move a view.
    """

    def __init__(self, pool: asyncpg.Pool, connection: asyncpg.Connection, views: Sequence[View] = VIEWS) -> None:
        self.pool = pool
        self.connection = connection
        self.views = views
        self.position = 0
        self.followed: dict[str, Followed] = {}
        self.failing: dict[str, Failure] = {}
        self.building: dict[str, NewTable] = {}
        self._step: Step | None = None
        self._cursors: dict[str, int] = {}  # as last read, of views that are not followed
        self._moving = asyncio.Lock()  # to move the views, or to change which are followed
        self._one_build = asyncio.Lock()  # a build that waits for another would keep a connection
        self._lacking = {view.name: asyncio.Event() for view in views}

    async def open(self) -> None:
        """Follow the views that are at the foremost position; raise NewerFold where a table is of a later fold."""
        await cursors.create(self.connection)
        await self.connection.execute(SESSION)
        await self._load()

    async def advance(self, upto: int) -> None:
        """Move the followed views to `upto`; set aside the view that fails."""
        async with self._moving:
            if not self.followed:
                self.position = upto
                return
            try:
                self._step = self._step or await Step.prepare(self.connection, list(self.followed.values()))
                with SECONDS.time():
                    FACTS.inc(await self._step.run(self.position, upto))
                self.position = upto
            except CursorMoved as moved:
                logger.info("a table was replaced, reading the cursors again", found=str(moved))
                await self._load()
            except asyncpg.PostgresError as error:
                if is_transient(error):
                    raise
                await self._advance_one_by_one(upto)

    async def tend(self, view: View) -> None:
        """Bring this view to the others whenever it is not among them; again with pauses while it fails."""
        pause = MIN_RETRY_SECONDS
        while True:
            await self._lacking[view.name].wait()
            try:
                await self._bring(view)
                pause = MIN_RETRY_SECONDS
            except CursorMoved:
                await asyncio.sleep(POLL_SECONDS)
            except (FoldFailed, ColumnsChanged, asyncpg.PostgresError, *TRANSIENT) as error:
                self._set_aside(view.name, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_RETRY_SECONDS)

    def problem(self) -> str | None:
        """Which views do not follow the log."""
        problems = [f"{name} fails after position {f.position}: {f.error}" for name, f in self.failing.items()]
        lacking = [view.name for view in self.views if view.name not in self.followed and view.name not in self.failing]
        return "; ".join([*problems, *(f"{name} is not caught up" for name in lacking)]) or None

    def state(self) -> dict[str, JsonValue]:
        """The views that follow the log, those that fail, and how far the tables are that are being built.

        A view that is not `current` is still followed with its old fold, or shown with an old policy.
        """
        return {
            "views": {
                name: {"fold": table.view.version, "generation": table.generation, "current": table.current}
                for name, table in self.followed.items()
            },
            "failing": {name: {"position": f.position, "error": f.error} for name, f in self.failing.items()},
            "building": {
                name: {"position": table.position, "of": max(table.target, self.position)}
                for name, table in self.building.items()
            },
        }

    async def _load(self) -> None:
        """Follow the views that are at the foremost position."""
        found = await cursors.read_not_newer(self.connection, self.views)
        self.position = max((cursor.position for cursor in found.values()), default=self.position)
        self.followed = {}
        for view in self.views:
            cursor = found.get(view.name)
            if cursor and cursor.position == self.position and (made_by := cursor.made_by(view)):
                current = made_by is view and cursor.is_shown(view)
                self.followed[view.name] = Followed(made_by, cursor.generation, current)
        self._regroup()

    def _regroup(self) -> None:
        """Prepare the statement for the views that are followed now, and wake the tasks of the others."""
        self._step = None
        for name, lacking in self._lacking.items():
            if name in self.followed and self.followed[name].current:
                self.failing.pop(name, None)
                lacking.clear()
            else:
                lacking.set()

    def _set_aside(self, name: str, error: Exception) -> None:
        position, sentence = self._cursors.get(name, 0), f"{type(error).__name__}: {error}"
        if isinstance(error, FoldFailed):
            position, sentence = error.position, str(error)
        elif name in self.followed:  # with its old fold
            position = self.position
        self.failing[name] = Failure(position, sentence)
        logger.warning("a view fails", view=name, position=position, error=sentence)

    async def _advance_one_by_one(self, upto: int) -> None:
        for name, followed in list(self.followed.items()):
            try:
                step = await Step.prepare(self.connection, [followed])
                await step.run(self.position, upto)
            except CursorMoved:
                del self.followed[name]
            except asyncpg.PostgresError as error:
                if is_transient(error):
                    raise
                self._set_aside(name, error)
                del self.followed[name]
        self.position = upto
        self._regroup()

    async def _bring(self, view: View) -> None:
        cursor = await self._cursor(view)
        if cursor is None or cursor.fold < view.version:
            await self._build(view)
        elif not cursor.is_shown(view):
            async with self.pool.acquire() as connection:
                await show_again(connection, view, cursor.generation)
        await self._join(view)

    async def _cursor(self, view: View) -> Cursor | None:
        cursor = (await cursors.read_not_newer(self.pool, [view])).get(view.name)
        self._cursors[view.name] = cursor.position if cursor else 0
        return cursor

    async def _build(self, view: View) -> None:
        async with self._one_build, self.pool.acquire() as connection, builder(connection):
            cursor = await self._cursor(view)
            if cursor is None or cursor.fold < view.version:  # no other process has built it meanwhile
                try:
                    await renew(connection, view, cursor, partial(self.building.__setitem__, view.name))
                finally:
                    self.building.pop(view.name, None)

    async def _join(self, view: View) -> None:
        """Catch up with the others, then move with them."""
        async with session(self.pool) as connection:
            await connection.execute(SESSION)
            if not (cursor := await self._cursor(view)):
                raise CursorMoved(f"view {view.name} was dropped")
            followed, position = Followed(view, cursor.generation), cursor.position
            step = await Step.prepare(connection, [followed])
            while True:
                target = self.position
                await catch_up(step, position, target)
                position = max(position, target)
                if not self.followed:  # the first view; there are no others to wait for
                    self.position = max(self.position, position)
                if 0 <= self.position - position <= NEAR_POSITIONS:
                    break
                await asyncio.sleep(POLL_SECONDS)
            async with self._moving:
                if self.position < position:
                    raise CursorMoved(f"expected the views at {position} or later, found them at {self.position}")
                await catch_up(step, position, self.position)
                self.followed[view.name] = followed
                self._regroup()
