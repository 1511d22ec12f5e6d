"""The views' process: it stands by, takes over, and goes on after it or Postgres failed it."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from services.views.app import Views
from services.views.engine.cursors import wait_until
from services.views.engine.definition import VIEWS
from services.views.engine.rebuild import rebuild
from shared.log import Log
from shared.runtime.postgres import connect
from tests.integration.test_views import grown, shown
from tests.integration.views_fixtures import write
from tests.integration.views_plain import plain

MODELS = ["a", "b"]

ALONE = """
import asyncio, sys
from types import SimpleNamespace
from services.views.app import Views
from shared.runtime.postgres import connect

async def main():
    health = SimpleNamespace(report=lambda *told: None)
    pool = await connect(sys.argv[1], "modelog_service")
    await Views().run(SimpleNamespace(pool=pool, stopping=asyncio.Event(), health=health))

asyncio.run(main())
"""


@dataclass
class Running:
    """A process as the views see it."""

    log: Log
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[tuple[bool, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def health(self) -> "Running":
        return self

    @property
    def pool(self) -> asyncpg.Pool:
        return self.log.pool

    def report(self, part: str, well: bool, detail: str) -> None:
        assert part == "views"
        self.told.append((well, detail))
        self.news.set()

    async def until(self, well: bool, word: str) -> None:
        """Wait until this was told."""
        async with asyncio.timeout(10):
            while not any(told == well and word in detail for told, detail in self.told):
                self.news.clear()
                await self.news.wait()


async def test_it_shows_facts_as_they_are_logged_and_stops_when_told(log: Log) -> None:
    process, views = Running(log), Views()
    assert views.describe() == {view.name: f"fold {view.version}" for view in VIEWS}
    running = asyncio.create_task(views.run(cast(Any, process)))
    for some in ([], grown(MODELS, 1, 30)):
        await wait_until(log.pool, await write(log, some, {}))
    assert await shown(log, MODELS) == await plain(log, MODELS)
    assert views.describe()["model"].startswith(f"fold {VIEWS[0].version}, generation 1, at ")
    process.stopping.set()
    await asyncio.wait_for(running, 1)


async def test_another_stands_by_and_takes_over(log: Log) -> None:
    first, second = Running(log), Running(log)
    one = asyncio.create_task(Views().run(cast(Any, first)))
    await first.until(True, "generation 1")
    two = asyncio.create_task(Views().run(cast(Any, second)))
    await second.until(True, "standing by")
    first.stopping.set()
    await one
    await wait_until(log.pool, await write(log, grown(MODELS, 2, 30), {}))
    second.stopping.set()
    await two
    assert await shown(log, MODELS) == await plain(log, MODELS)


async def test_it_goes_on_after_its_connections_were_lost(log: Log, database: str) -> None:
    process = Running(log)
    running = asyncio.create_task(Views().run(cast(Any, process)))
    await process.until(True, "generation 1")
    facts, heads, last = grown(MODELS, 3, 100), dict[str, int](), 0
    kill = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity join pg_locks using (pid) "
        "where locktype = 'advisory' and classid = 24302 and objid = 2 and datname = current_database()"
    )
    owner = await asyncpg.connect(database)
    while facts:
        last = await write(log, facts[:20], heads)
        facts = facts[20:]
        await owner.execute(kill)
    await owner.close()
    await process.until(False, "")
    await wait_until(log.pool, last)
    process.stopping.set()
    await running
    assert await shown(log, MODELS) == await plain(log, MODELS)


@pytest.mark.parametrize("seed", range(3))
async def test_a_process_killed_in_the_middle_neither_loses_nor_doubles(log: Log, database: str, seed: int) -> None:
    facts, heads = grown(MODELS, seed, 300), dict[str, int]()

    async def start() -> asyncio.subprocess.Process:
        root = Path(__file__).parents[2]
        return await asyncio.create_subprocess_exec(sys.executable, "-c", ALONE, database, cwd=root)

    process = await start()
    await wait_until(log.pool, await write(log, facts[:50], heads))
    writing = asyncio.create_task(write(log, facts[50:], heads))
    await asyncio.sleep(0.03 * (seed + 1))
    process.kill()
    await process.wait()
    process = await start()
    await wait_until(log.pool, await writing)
    process.kill()
    await process.wait()
    assert await shown(log, MODELS) == await plain(log, MODELS)
    assert all(report.equal for report in await rebuild(log.pool))


async def test_it_begins_again_when_the_views_were_dropped_under_it(log: Log, database: str) -> None:
    process = Running(Log(await connect(database, "modelog_service")))
    running = asyncio.create_task(Views().run(cast(Any, process)))
    heads = dict[str, int]()
    facts = grown(MODELS, 4, 60)
    await wait_until(log.pool, await write(log, facts[:60], heads))
    assert all(report.equal for report in await rebuild(log.pool, drop=True))
    await wait_until(log.pool, await write(log, facts[60:], heads))
    process.stopping.set()
    await running
    await process.log.pool.close()
    assert await shown(log, MODELS) == await plain(log, MODELS)
