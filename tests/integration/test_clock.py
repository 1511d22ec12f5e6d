"""The clock of a service on a real Postgres: each run once, by the time of Postgres, whatever happens to processes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from modelog.policy import DEFAULT

from services.ingestion.decision import Register, registration
from shared.deciding import clock
from shared.deciding.clock import Schedule, run_schedules
from shared.deciding.command_handler import CommandHandler
from shared.domain.command import CausedCommand
from shared.log import Log
from shared.runtime.runtime import Context, Runtime
from shared.runtime.settings import Settings
from stack.waiting import until
from tests.examples import NOON, digest, trained, uri

HOUR = timedelta(hours=1)
NAME = "ingestion.register_again"
IN_A_RUN = "select pid from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"


@dataclass
class Runs:
    """The runs of a schedule over all instances: `work` is theirs, and `answer` appends to the real log."""

    log: Log
    commands: list[Register] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    causes: list[set[str]] = field(default_factory=list)
    during: Callable[[int], Any] = field(default=lambda _number: None)

    async def work(self, context: Context) -> Iterable[Register]:
        self.times.append(context.now)
        if waiting := self.during(len(self.times)):
            await waiting
        return self.commands

    async def answer(self, commands: list[CausedCommand[Any]]) -> None:
        await CommandHandler(self.log, registration).answer(commands)
        self.causes.append({caused.cause.causation for caused in commands})

    async def done(self, times: int) -> None:
        """Wait until the log has the next time of that many runs."""

        async def enough() -> bool:
            return len(self.causes) >= times and await self.log.pool.fetchval(
                "select bool_and(due > now()) from log.schedule"
            )

        await until(enough, f"{times} runs")

    async def due(self, ago: str) -> datetime:
        """Make the next run due so long ago, and return its time."""
        due = f"update log.schedule set due = now() - '{ago}'::interval returning due"
        moved: datetime = await self.log.pool.fetchval(due)
        return moved


def register(run: str, model: str = "fraud") -> Register:
    report = trained(run).model_copy(update={"model": model})
    return Register(report, digest(1), uri(1), 3, "pickle", ())


@pytest.fixture(autouse=True)
def _no_long_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "MAX_SLEEP_SECONDS", 0.02)
    monkeypatch.setattr(clock, "MIN_SLEEP_SECONDS", 0.01)


@pytest.fixture
async def runs(log: Log) -> Runs:
    return Runs(log)


@pytest.fixture
def runtime(settings: Settings, log: Log) -> Runtime:
    return Runtime(settings, log.pool, DEFAULT)


@asynccontextmanager
async def running(runs: Runs, *runtimes: Runtime, interval: timedelta = HOUR, name: str = NAME) -> AsyncIterator[None]:
    """An instance of the service in each runtime."""
    schedule = Schedule(name, interval, runs.work)
    async with asyncio.TaskGroup() as group:
        for runtime in runtimes:
            group.create_task(run_schedules(runtime, [schedule], Context(NOON, DEFAULT, {}), runs.answer))
        yield
        for runtime in runtimes:
            runtime.stopping.set()


async def test_a_new_schedule_runs_at_once_and_then_after_its_interval(runs: Runs, runtime: Runtime) -> None:
    async with running(runs, runtime):
        await runs.done(1)
    (first,) = runs.times
    due = await runs.log.pool.fetchval("select due from log.schedule where name = $1", NAME)
    assert first < due <= first + HOUR
    assert runtime.health.components[NAME]["ready"]


async def test_a_due_time_is_taken_once_whoever_takes_it_meanwhile(log: Log) -> None:
    """The row may be moved between the snapshot of a statement and its lock."""
    taken, ends, interval = list[datetime](), asyncio.Event(), HOUR.total_seconds()
    await log.pool.execute(clock.CREATE, NAME)

    async def take() -> None:
        while not ends.is_set():
            async with log.pool.acquire() as connection, connection.transaction():
                if row := await connection.fetchrow(clock.TAKE, NAME, interval):
                    taken.append(row["due"])
                    await connection.execute(clock.MOVE, NAME, interval)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(take())
        for number in range(1, 151):
            await until(lambda: log.pool.fetchval("select due > now() from log.schedule"), f"run {number}", every=0)
            await log.pool.execute("update log.schedule set due = now() - interval '1 second'")
        await until(lambda: log.pool.fetchval("select due > now() from log.schedule"), "the last run", every=0)
        ends.set()
    assert len(taken) == len(set(taken)) == 151


async def test_a_run_is_done_once_over_all_instances(runs: Runs, settings: Settings, log: Log) -> None:
    instances = [Runtime(settings, log.pool, DEFAULT) for _ in range(4)]
    async with running(runs, *instances):
        for number in range(1, 6):
            await runs.done(number)
            if number < 5:
                await runs.due("1 second")
    assert len(runs.times) == 5


async def test_all_missed_runs_are_one_and_the_next_keeps_the_phase(runs: Runs, runtime: Runtime) -> None:
    async with running(runs, runtime):
        await runs.done(1)
        due = await runs.due("10 hours 20 minutes")
        await runs.done(2)
    assert len(runs.times) == 2
    assert await runs.log.pool.fetchval("select due from log.schedule") == due + 11 * HOUR


@pytest.mark.parametrize("due", ["infinity", "-infinity", "5000-01-01", "0001-01-01"])
async def test_a_time_that_no_run_has_left_is_now(runs: Runs, runtime: Runtime, due: str) -> None:
    async with running(runs, runtime):
        await runs.done(1)
        await runs.log.pool.execute(f"update log.schedule set due = '{due}'")
        await runs.done(2)
    assert await runs.log.pool.fetchval("select due <= now() + interval '1 hour' from log.schedule")


async def test_a_day_has_24_hours_whatever_the_time_zone_of_the_server(
    runs: Runs, settings: Settings, database: str
) -> None:
    owner = await asyncpg.connect(database)
    # In summer and in winter: in one of the two, clocks differ from those at the time of this run.
    await owner.execute("insert into log.schedule values ($1, '2025-07-01 12:00+00')", NAME)
    await owner.execute("insert into log.schedule values ($1, '2025-12-01 12:00+00')", NAME + "_in_winter")
    await owner.close()
    async with asyncpg.create_pool(database, server_settings={"timezone": "Europe/Berlin"}) as pool:
        runtime = Runtime(settings, pool, DEFAULT)
        async with (
            running(runs, runtime, interval=timedelta(days=1)),
            running(runs, runtime, interval=timedelta(days=1), name=NAME + "_in_winter"),
        ):
            await runs.done(2)
    for due in await runs.log.pool.fetch("select due from log.schedule"):
        assert (due["due"] - datetime(2025, 7, 1, 12, tzinfo=UTC)) % timedelta(days=1) == timedelta()


async def test_the_work_gets_the_time_of_postgres_and_a_process_clock_that_jumps_does_no_harm(
    runs: Runs, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(1999, 1, 1, tzinfo=tz)

    monkeypatch.setattr("shared.deciding.service.datetime", Jumped)
    monkeypatch.setattr("time.time", lambda: 0.0)
    before = await runs.log.pool.fetchval("select clock_timestamp()")
    async with running(runs, runtime):
        await runs.done(1)
        await runs.due("1 minute")
        await runs.done(2)
    after = await runs.log.pool.fetchval("select clock_timestamp()")
    assert before < runs.times[0] < runs.times[1] < after


async def test_the_commands_of_a_run_are_answered_and_each_of_one_model_too(runs: Runs, runtime: Runtime) -> None:
    runs.commands = [register("a"), register("b"), register("a", "churn")]
    async with running(runs, runtime):
        await runs.done(1)
    rows = await runs.log.pool.fetch("select stream, data ->> 'run' as run from log.event order by stream, version")
    assert [tuple(row) for row in rows] == [("churn", "a"), ("fraud", "a"), ("fraud", "b")]


async def test_a_run_that_fails_is_done_again_with_the_same_causes_and_answered_once(
    runs: Runs, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.commands = [register("a"), register("b")]
    monkeypatch.setattr("shared.runtime.recovery.FIRST_PAUSE_SECONDS", 0.01)
    append = runs.answer

    async def append_and_fail(commands: list[CausedCommand[Any]]) -> None:
        await append(commands)
        if len(runs.causes) == 1:
            raise ConnectionError("the answer was lost")

    runs.answer = append_and_fail  # type: ignore[method-assign]
    async with running(runs, runtime):
        await runs.done(2)
    assert len(runs.causes) == 2
    assert runs.causes[0] == runs.causes[1]
    assert await runs.log.pool.fetchval("select count(*) from log.event") == 2


async def test_a_bug_in_a_run_is_reported_and_the_next_run_comes(runs: Runs, runtime: Runtime) -> None:
    async def fail() -> None:
        raise KeyError("a bug")

    runs.during = lambda number: fail() if number == 1 else None

    async def reported(ready: bool) -> bool:
        health = runtime.health.components.get(NAME, {})
        return health.get("ready") is ready and ("KeyError: 'a bug'" in str(health.get("detail"))) is not ready

    async with running(runs, runtime):
        await until(partial(reported, False), "a report of the bug")
        await runs.due("1 second")
        await until(partial(reported, True), "a run without a bug")
    assert len(runs.times) == 2


async def test_an_instance_does_not_wait_for_the_run_of_another(runs: Runs, settings: Settings, log: Log) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    runs.during = lambda _: wait()
    first, second = (Runtime(settings, log.pool, DEFAULT) for _ in range(2))
    async with running(runs, first):
        await begun.wait()
        async with running(runs, second):

            async def reported() -> bool:
                return NAME in second.health.components

            await until(reported, "a report of the second instance")
        assert len(runs.times) == 1, "and it has stopped meanwhile"
        go_on.set()
        await runs.done(1)


async def test_a_connection_that_is_killed_releases_its_run_to_another_instance(
    runs: Runs, settings: Settings, log: Log, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.runtime.recovery.FIRST_PAUSE_SECONDS", 30.0)
    runs.commands = [register("a")]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait_in_the_first_run() -> None:
        begun.set()
        await go_on.wait()

    runs.during = lambda number: wait_in_the_first_run() if number == 1 else None
    first, second = (Runtime(settings, log.pool, DEFAULT) for _ in range(2))
    owner = await asyncpg.connect(database)
    async with running(runs, first):
        await begun.wait()
        (process,) = await owner.fetch(IN_A_RUN)
        async with running(runs, second):
            await owner.execute("select pg_terminate_backend($1)", process["pid"])
            await runs.done(1)
        go_on.set()

        async def interrupted() -> bool:
            return not first.health.components.get(NAME, {"ready": True})["ready"]

        await until(interrupted, "a report of the killed connection")
    await owner.close()
    assert len(runs.times) == 2
    assert runs.causes[0] == runs.causes[1]
    assert await log.pool.fetchval("select count(*) from log.event") == 1
