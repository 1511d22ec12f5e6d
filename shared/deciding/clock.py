"""The clock of a service: what it does at an interval, once over all its instances, by the time of Postgres.

A row of `log.schedule` has the time at which the next run is due. An instance that finds it due locks the row, does
the work and moves `due` to the next time in the future: all missed runs are one run. A process that dies releases the
row, and the next instance does the same run again; its commands have the same cause, so the stream answers them once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from shared.domain.command import Cause, CausedCommand
from shared.domain.decider import Command
from shared.runtime.errors import is_transient
from shared.runtime.recovery import run_with_recovery
from shared.runtime.runtime import Context, Runtime
from shared.runtime.waiting import sleep_until_stopped

logger = structlog.get_logger()

MIN_SLEEP_SECONDS, MAX_SLEEP_SECONDS = 0.05, 5.0
"""Between two checks of a row: another instance may be in its run, or may have changed the row."""
MAX_RUN_SECONDS = 50.0
"""A run keeps a transaction open, which Postgres ends after 60 seconds."""

CREATE = "insert into log.schedule (name, due) values ($1, clock_timestamp()) on conflict (name) do nothing"
# A time that no run has left there, years ago or further ahead than the interval, was written by somebody: it is now.
DUE = """
       case
       when due > clock_timestamp() - interval '10 years'
        and due <= clock_timestamp() + make_interval(secs => $2) then due
       else clock_timestamp()
       end
"""
# Of the locked row itself: Postgres evaluates this again where another instance has moved the row meanwhile, which it
# does not for a joined row.
TAKE = f"""
select {DUE} as due, clock_timestamp() as now
  from log.schedule
 where name = $1 and {DUE} <= clock_timestamp()
   for update skip locked
"""
# In seconds: a day that is an interval has 23 or 25 hours where the server's time zone changes its clocks.
MOVE = f"""
update log.schedule
   set due = {DUE}
           + make_interval(secs => $2 * (floor(extract(epoch from clock_timestamp() - {DUE})::float8 / $2) + 1))
 where name = $1
"""
WAIT = f"select extract(epoch from {DUE} - clock_timestamp())::float8 from log.schedule where name = $1"

Answer = Callable[[list[CausedCommand[Any]]], Awaitable[object]]
"""Decides on commands."""
Work = Callable[[Context], Awaitable[Iterable[Command]]]
"""A run: reads something, and returns the commands that follow."""


@dataclass(frozen=True)
class Schedule:
    """Work that is done every `interval`; `name` is its row in `log.schedule` and never changes."""

    name: str
    interval: timedelta
    work: Work

    async def run(self, runtime: Runtime, context: Context, answer: Answer) -> None:
        """Do the work whenever it is due, until the process stops."""
        await runtime.pool.execute(CREATE, self.name)
        interval = self.interval.total_seconds()
        bug: str | None = None
        while not runtime.stopping.is_set():
            async with runtime.pool.acquire() as connection, connection.transaction():
                if row := await connection.fetchrow(TAKE, self.name, interval):
                    bug = await self._do(row["due"], replace(context, now=row["now"]), answer)
                    await connection.execute(MOVE, self.name, interval)
            wait = await runtime.pool.fetchval(WAIT, self.name, interval)
            detail = f"next run in {max(wait, 0):.0f} s"
            runtime.health.report(self.name, bug is None, f"{detail}, the last one has a bug: {bug}" if bug else detail)
            await sleep_until_stopped(runtime.stopping, min(max(wait, MIN_SLEEP_SECONDS), MAX_SLEEP_SECONDS))

    async def _do(self, due: datetime, context: Context, answer: Answer) -> str | None:
        """Do the work of a run. A bug in it is logged and returned: the next run comes, and messages are answered."""
        try:
            async with asyncio.timeout(MAX_RUN_SECONDS):
                await answer(self._caused(due, await self.work(context)))
        except Exception as error:
            if is_transient(error):
                raise
            logger.error("bug", component=self.name, exc_info=error)
            return f"{type(error).__name__}: {error}"
        return None

    def _caused(self, due: datetime, commands: Iterable[Command]) -> list[CausedCommand[Any]]:
        """A stream answers a cause once, so each command of one model has a cause of its own."""
        caused, numbers = list[CausedCommand[Any]](), Counter[str]()
        for command in commands:
            caused.append(CausedCommand(command, Cause.tick(self.name, due, numbers[command.model])))
            numbers[command.model] += 1
        return caused


async def run_schedules(runtime: Runtime, schedules: Iterable[Schedule], context: Context, answer: Answer) -> None:
    """Run the schedules of a service until the process stops."""
    async with asyncio.TaskGroup() as group:
        for schedule in schedules:
            group.create_task(
                run_with_recovery(runtime, schedule.name, partial(schedule.run, runtime, context, answer))
            )
