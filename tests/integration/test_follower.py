"""A follower does every fact in one process at a time, and reports its position."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from shared.log import Log
from shared.log.cursors import read_position, saved
from shared.log.follower import Follower, Leadership
from shared.log.following import Ranges
from shared.log.lock_keys import BUILDER, lock_key
from shared.log.progress import STALLED_SECONDS, Progress
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack.disposable import Sandbox
from stack.waiting import until
from tests.histories import History
from tests.integration.followers import running, until_reported
from tests.integration.views_fixtures import facts_of, write

KILL = """
select bool_or(pg_terminate_backend(pid)) from pg_locks
 where locktype = 'advisory' and classid = $1::int and objid = $2::int
   and database = (select oid from pg_database where datname = current_database())
"""
POSITIONS = "select position from log.event where position > $1 and position <= $2 order by position"


class Deliveries:
    """What a webhook-like follower has delivered; it waits while `open` is not set, and fails when asked to."""

    def __init__(self) -> None:
        self.delivered: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failures = 0

    async def deliver(self, leadership: Leadership, after: int, upto: int) -> None:
        await self.open.wait()
        self.delivered += [row["position"] for row in await leadership.connection.fetch(POSITIONS, after, upto)]
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the receiver is gone")


@pytest.fixture
async def runtime(settings: Settings, log: Log) -> Runtime:
    return Runtime(settings, log.pool, settings.read_policy())


async def logged(log: Log, facts: int, model: str = "fraud") -> int:
    """Append so many facts and return the last position."""
    return await write(log, facts_of(History(model).grow(facts)), {})


async def test_every_fact_is_delivered_once_and_the_position_is_saved(runtime: Runtime) -> None:
    deliveries, log = Deliveries(), Log(runtime.pool)
    async with running(runtime, Follower("deliveries", saved(deliveries.deliver), max_positions=7)) as process:
        last = await logged(log, 30)
        await until_reported(process, "deliveries", ready=True, role="leader", position=last, lag=0)
    assert deliveries.delivered == list(range(1, last + 1))
    assert await read_position(log.pool, "deliveries") == last
    async with running(runtime, Follower("deliveries", saved(deliveries.deliver))) as process:
        await until_reported(process, "deliveries", ready=True, position=last)
    assert deliveries.delivered == list(range(1, last + 1))


async def test_one_process_leads_and_another_takes_over(runtime: Runtime) -> None:
    first, second, log = Deliveries(), Deliveries(), Log(runtime.pool)
    async with running(runtime, Follower("deliveries", saved(first.deliver))) as leader:
        await until_reported(leader, "deliveries", role="leader")
        async with running(runtime, Follower("deliveries", saved(second.deliver))) as standby:
            await until_reported(standby, "deliveries", ready=True, role="standby")
            half = await logged(log, 10)
            await until_reported(leader, "deliveries", position=half)
            leader.stopping.set()
            last = await logged(log, 10, "churn")
            await until_reported(standby, "deliveries", role="leader", position=last)
    assert second.delivered
    assert first.delivered + second.delivered == list(range(1, last + 1))


async def test_followers_of_other_names_lead_beside_each_other(runtime: Runtime) -> None:
    webhooks, feeds = (Follower(name, saved(Deliveries().deliver)) for name in ("webhooks", "feeds"))
    async with running(runtime, webhooks) as first, running(runtime, feeds) as second:
        await until_reported(first, "webhooks", role="leader")
        await until_reported(second, "feeds", role="leader")


async def test_a_leader_that_lost_its_lock_is_replaced_without_a_new_fact(runtime: Runtime, database: str) -> None:
    first, second = (Follower("deliveries", saved(Deliveries().deliver)) for _ in range(2))
    async with running(runtime, first) as leader:
        await until_reported(leader, "deliveries", role="leader")
        async with running(runtime, second) as standby:
            await until_reported(standby, "deliveries", role="standby")
            owner = await asyncpg.connect(database)
            assert await owner.fetchval(KILL, *lock_key("deliveries"))
            await owner.close()
            await until_reported(leader, "deliveries", ready=False)
            await until(lambda: one_leads(leader, standby), "a leader again")


async def one_leads(*processes: Runtime) -> bool:
    """Whether one process reports that it leads, and another that it stands by."""
    roles = {str(process.health.components["deliveries"].get("role")) for process in processes}
    return roles == {"leader", "standby"}


async def test_a_range_that_failed_is_delivered_again(runtime: Runtime) -> None:
    deliveries = Deliveries()
    deliveries.failures = 1
    last = await logged(Log(runtime.pool), 10)
    async with running(runtime, Follower("deliveries", saved(deliveries.deliver))) as process:
        await until_reported(process, "deliveries", ready=False)
        await until_reported(process, "deliveries", ready=True, position=last)
    assert deliveries.delivered == 2 * list(range(1, last + 1))


async def test_an_error_that_is_not_transient_ends_the_process(runtime: Runtime) -> None:
    async def break_down(_leadership: Leadership, _after: int, _upto: int) -> None:
        raise ValueError("a bug")

    await logged(Log(runtime.pool), 1)
    with pytest.raises(ValueError, match="a bug"):
        await Follower("deliveries", saved(break_down)).run(runtime)


async def test_a_follower_that_is_not_exclusive_works_in_every_process(runtime: Runtime) -> None:
    delivered = list[tuple[str, int]]()
    log = Log(runtime.pool)

    def feed(name: str) -> Follower:
        @asynccontextmanager
        async def work(leadership: Leadership) -> AsyncIterator[Ranges]:
            async def handle(_after: int, upto: int) -> None:
                delivered.append((name, upto))

            yield Ranges(await leadership.log.settled(), handle)

        return Follower("feed", work, exclusive=False)

    await logged(log, 5)
    async with running(runtime, feed("a")) as first, running(runtime, feed("b")) as second:
        for process in (first, second):
            await until_reported(process, "feed", ready=True, role="follower", position=5)
        await write(log, [("fraud", History("fraud").grow(1)[0])], {"fraud": 5})
        for process in (first, second):
            await until_reported(process, "feed", position=6)
    assert sorted(delivered) == [("a", 6), ("b", 6)]


async def test_a_leader_that_waits_in_a_range_reports_how_far_behind_it_is_and_in_time_that_it_is_not_ready(
    runtime: Runtime,
) -> None:
    async def handle(_after: int, _upto: int) -> None:
        """Never called."""

    progress = Progress()
    progress.begin(Ranges(10, handle), "leader")
    progress.checked(settled=50)
    progress.report(runtime, "deliveries")
    assert runtime.health.components["deliveries"] == {
        "ready": True, "detail": "at position 10, 40 behind", "role": "leader", "position": 10, "lag": 40,
        "no_progress_since": None, "why": None,
    }  # fmt: skip
    progress.checked_at -= STALLED_SECONDS
    progress.report(runtime, "deliveries")
    assert not runtime.health.components["deliveries"]["ready"]


async def test_a_follower_that_begins_again_and_again_at_the_same_position_is_not_ready(runtime: Runtime) -> None:
    async def handle(_after: int, _upto: int) -> None:
        """Never called."""

    progress = Progress()
    for _ in range(2):
        progress.begin(Ranges(10, handle), "leader")
        progress.checked(settled=50)
        progress.report(runtime, "deliveries")
        progress.moved_at -= STALLED_SECONDS / 2 + 1
    progress.report(runtime, "deliveries")
    found = runtime.health.components["deliveries"]
    assert not found["ready"]
    assert found["no_progress_since"] == datetime.fromtimestamp(progress.moved_at, UTC).isoformat()
    assert str(found["why"]).startswith("no progress for")


async def test_an_open_transaction_that_keeps_readers_from_new_facts_is_named(runtime: Runtime, database: str) -> None:
    deliveries, log = Deliveries(), Log(runtime.pool)
    holder = await asyncpg.connect(database, server_settings={"application_name": "a-notebook"})
    async with running(runtime, Follower("deliveries", saved(deliveries.deliver))) as process:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("select nextval('log.position')")
        await holder.execute("select pg_advisory_xact_lock_shared((24301::bigint << 48) | 1)")
        last = await logged(log, 3)
        await until(lambda: not_ready(process), "a follower that is not ready", seconds=20)
        why = str(process.health.components["deliveries"]["why"])
        assert f"process {await holder.fetchval('select pg_backend_pid()')} of Postgres (a-notebook)" in why
        await transaction.rollback()
        await until_reported(process, "deliveries", ready=True, position=last, lag=0, why=None)
    await holder.close()


async def not_ready(process: Runtime) -> bool:
    return not process.health.components["deliveries"]["ready"]


async def test_a_cursor_that_was_moved_beyond_the_log_is_noticed(runtime: Runtime, sandbox: Sandbox) -> None:
    last = await logged(Log(runtime.pool), 3)
    async with sandbox.owner() as owner:
        await owner.execute("insert into log.cursor values ('deliveries', 1000)")
    async with running(runtime, Follower("deliveries", saved(Deliveries().deliver))) as process:
        await until_reported(process, "deliveries", ready=False, position=1000)
        assert f"the log ends at {last}" in str(process.health.components["deliveries"]["why"])


def test_the_locks_of_old_processes_are_the_same() -> None:
    assert (lock_key("relay"), BUILDER, lock_key("views")) == ((24302,), (24302, 1), (24302, 2))
    family, key = lock_key("webhooks")[0], lock_key("webhooks")[-1]
    assert family == 24302
    assert 2**30 <= key < 2**31
    assert lock_key("webhooks") == (family, key) != lock_key("checkpoints")
