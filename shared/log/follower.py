"""A follower: a component that does something with every fact, in one process at a time; the others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial

import asyncpg
import structlog

from shared.log.following import Work, follow
from shared.log.horizon import read_horizon
from shared.log.lock_keys import LockKey, lock_key
from shared.log.progress import BEHIND, Progress
from shared.log.store import Log
from shared.runtime.errors import TRANSIENT
from shared.runtime.postgres import session
from shared.runtime.recovery import run_with_recovery
from shared.runtime.runtime import Runtime
from shared.runtime.waiting import run_beside, sleep_until_stopped

logger = structlog.get_logger()

STANDBY_SECONDS = 0.5
"""Between two attempts of a process that stands by to become the leader."""
REPORT_SECONDS = 0.25
"""Between two reports of a leader's position."""
LOOK_SECONDS = 2.0
"""Between two looks at the log's end, and at who keeps readers from it."""


class StandBy(Exception):
    """Raised by a work when it is opened: this process should not lead, with the reason."""


@dataclass(frozen=True)
class Leadership:
    """The context of a work while its process leads. `connection` holds the lock: when it is lost, so is the lock.

    Its commits do not wait for the disk: after a crash of Postgres a follower repeats what it did last.
    """

    follower: str
    runtime: Runtime
    connection: asyncpg.Connection

    @property
    def log(self) -> Log:
        return Log(self.runtime.pool)


OpenWork = Callable[[Leadership], AbstractAsyncContextManager[Work]]


class Follower:
    """A component that opens its work when it leads, and advances it until the process stops.

    After a transient error the work is closed and opened again, by whichever process leads then. A follower that is not
    `exclusive` has no leader: each process does the work for itself, as a live feed does.
    """

    def __init__(
        self,
        name: str,
        work: OpenWork,
        *,
        about: Mapping[str, str] | None = None,
        max_positions: int = 10_000,
        exclusive: bool = True,
    ) -> None:
        self.name = name
        self.about = about or {}
        self._work = work
        self._max_positions = max_positions
        self._exclusive = exclusive
        self._progress = Progress()

    def describe(self) -> dict[str, str]:
        return {"follows": "the log", **self.about}

    async def run(self, runtime: Runtime) -> None:
        """Lead or stand by until the process stops."""
        await run_with_recovery(runtime, self.name, partial(self._lead_or_stand_by, runtime))

    async def _lead_or_stand_by(self, runtime: Runtime) -> None:
        reason = "another process leads"
        try:
            async with session(runtime.pool) as connection:
                if not self._exclusive or await try_lock(connection, lock_key(self.name)):
                    return await self._lead(Leadership(self.name, runtime, connection))
        except StandBy as found:
            reason = str(found)
        runtime.health.report(
            self.name, True, f"stands by: {reason}", role="standby", lag=None, no_progress_since=None, why=None
        )
        await sleep_until_stopped(runtime.stopping, STANDBY_SECONDS)

    async def _lead(self, leadership: Leadership) -> None:
        await leadership.connection.execute("set synchronous_commit = off")
        runtime = leadership.runtime
        async with self._work(leadership) as work:
            self._progress.begin(work, role="leader" if self._exclusive else "follower")
            logger.info("following", component=self.name, position=work.position)
            async with run_beside(self._report(runtime), self._look(runtime, work)):
                # Through the connection that holds the lock: when that is lost, the leadership ends at once.
                log = Log(leadership.connection)
                await follow(log, work, runtime.stopping, self._max_positions, self._progress.checked)

    async def _look(self, runtime: Runtime, work: Work) -> None:
        while True:
            position = work.position
            try:
                self._progress.looked(position, await read_horizon(runtime.pool))
            except TRANSIENT as error:
                logger.warning("the log's end could not be read", component=self.name, error=repr(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _report(self, runtime: Runtime) -> None:
        try:
            while True:
                self._progress.report(runtime, self.name)
                await asyncio.sleep(REPORT_SECONDS)
        finally:
            with suppress(KeyError):
                BEHIND.remove(self.name)  # a stand-by has no position


async def try_lock(connection: asyncpg.Connection, key: LockKey) -> bool:
    """Whether this session holds the lock now, until it ends."""
    arguments = ", ".join(f"${n}" for n in range(1, len(key) + 1))
    return bool(await connection.fetchval(f"select pg_try_advisory_lock({arguments})", *key))
