"""The process of the views: it stands by, takes over, and goes on after it or Postgres failed."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from modelog.policy import DEFAULT

from services.views.app import follower
from services.views.engine import projector
from services.views.engine.definition import NAMES, VIEWS, View
from services.views.engine.rebuild import rebuild
from shared.log import Log
from shared.log.view_cursors import wait_until
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack.waiting import until
from tests.integration.followers import environment, running, until_reported
from tests.integration.test_views import shown
from tests.integration.views_fixtures import grown, write
from tests.integration.views_plain import plain

MODELS = ["a", "b"]
FIRST = {view.name: {"fold": view.version, "generation": 1, "current": True} for view in VIEWS}

# A view that fails on every fact of the streams in registry.refused.
FRAGILE = View(
    "fragile",
    1,
    "select stream as model, count(*) / (stream not in (select stream from registry.refused))::int as facts "
    "from log.event where position > $1 and position <= $2 group by stream",
    "insert into {table} as known select * from fold "
    "on conflict (model) do update set facts = known.facts + excluded.facts",
    "alter table {table} add primary key (model);",
    "select model, facts from {table}",
)


@pytest.fixture
async def runtime(settings: Settings, log: Log) -> Runtime:
    return Runtime(settings, log.pool, settings.read_policy())


async def test_it_shows_facts_as_they_are_logged(runtime: Runtime, log: Log) -> None:
    async with running(runtime, follower()) as process:
        await until_reported(process, "views", ready=True, role="leader", views=FIRST, failing={}, building={})
        last = await write(log, grown(MODELS, 1, 30), {})
        await wait_until(log.pool, NAMES, last)
        await until_reported(process, "views", position=last, lag=0)
    assert await shown(log, MODELS) == await plain(log, MODELS)


async def test_another_stands_by_and_takes_over(runtime: Runtime, log: Log) -> None:
    async with running(runtime, follower()) as first:
        await until_reported(first, "views", ready=True, role="leader")
        async with running(runtime, follower()) as second:
            await until_reported(second, "views", ready=True, role="standby")
            first.stopping.set()
            await wait_until(log.pool, NAMES, await write(log, grown(MODELS, 2, 30), {}))
            await until_reported(second, "views", ready=True, role="leader")
    assert await shown(log, MODELS) == await plain(log, MODELS)


async def test_it_goes_on_after_its_connections_were_lost(runtime: Runtime, log: Log, database: str) -> None:
    facts, heads, last, killed = grown(MODELS, 3, 100), dict[str, int](), 0, 0
    kill = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity join pg_locks using (pid) "
        "where locktype = 'advisory' and classid = 24302 and objid = 2 and datname = current_database()"
    )
    owner = await asyncpg.connect(database)
    async with running(runtime, follower()) as process:
        await until_reported(process, "views", ready=True)
        while facts:
            last = await write(log, facts[:20], heads)
            facts = facts[20:]
            killed += await owner.fetchval(kill)
        await wait_until(log.pool, NAMES, last)
    await owner.close()
    assert killed > 0
    assert await shown(log, MODELS) == await plain(log, MODELS)


@pytest.mark.parametrize("seed", range(3))
async def test_a_process_killed_in_the_middle_neither_loses_nor_doubles(
    settings: Settings, log: Log, seed: int
) -> None:
    facts, heads = grown(MODELS, seed, 300), dict[str, int]()

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", "views"),
            cwd=Path(__file__).parents[2],
            env=os.environ | environment(settings),
            stderr=asyncio.subprocess.DEVNULL,
        )

    process = await start()
    await wait_until(log.pool, NAMES, await write(log, facts[:50], heads), 20)
    writing = asyncio.create_task(write(log, facts[50:], heads))
    await wait_until(log.pool, NAMES, 70 + 60 * seed)
    process.kill()
    await process.wait()
    process = await start()
    await wait_until(log.pool, NAMES, await writing, 20)
    process.kill()
    await process.wait()
    assert await shown(log, MODELS) == await plain(log, MODELS)
    assert all(report.equal for report in await rebuild(log.pool))


async def test_it_begins_again_when_the_views_were_dropped(runtime: Runtime, log: Log) -> None:
    facts, heads = grown(MODELS, 4, 60), dict[str, int]()
    async with running(runtime, follower()) as process:
        await wait_until(log.pool, NAMES, await write(log, facts[:60], heads))
        assert all(report.equal for report in await rebuild(log.pool, drop=True))
        await wait_until(log.pool, NAMES, await write(log, facts[60:], heads))
        await until_reported(process, "views", ready=True)
    assert await shown(log, MODELS) == await plain(log, MODELS)


async def test_a_view_that_fails_is_named_while_the_others_go_on_and_joins_them_when_it_can(
    runtime: Runtime, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "MIN_RETRY_SECONDS", 0.05)
    await log.pool.execute("create table registry.refused as select 'b' as stream")
    facts, heads = [*grown(["a"], 5, 20), *grown(["b"], 5, 20), *grown(["c"], 5, 20)], dict[str, int]()
    async with running(runtime, follower([*VIEWS, FRAGILE])) as process:
        await until_reported(process, "views", ready=True)
        last = await write(log, facts, heads)
        await wait_until(log.pool, NAMES, last)
        error = "DivisionByZeroError: division by zero"
        await until_reported(process, "views", ready=False, failing={"fragile": {"position": 20, "error": error}})
        assert "fragile fails after position 20" in str(process.health.components["views"]["detail"])
        assert await log.pool.fetch("select * from registry.fragile") == [("a", 20)]
        await log.pool.execute("delete from registry.refused")
        await until_reported(process, "views", ready=True, failing={}, position=last)
        last = await write(log, grown(["d"], 5, 20), heads)
        await wait_until(log.pool, [*NAMES, "fragile"], last)
    counts = await log.pool.fetch("select model, facts from registry.fragile order by 1")
    assert counts == [(model, 20) for model in "abcd"]
    assert await shown(log, ["a", "b", "c"]) == await plain(log, ["a", "b", "c"])


async def test_while_a_new_fold_is_built_its_old_table_is_followed_and_read(runtime: Runtime, log: Log) -> None:
    facts, heads = grown(MODELS, 6, 60), dict[str, int]()
    async with running(runtime, follower()):
        await wait_until(log.pool, NAMES, await write(log, facts[:60], heads))
    newer = [replace(v, version=v.version + 1, view=with_shout(v.view)) if v.name == "version" else v for v in VIEWS]
    version = next(view for view in newer if view.name == "version")
    async with log.pool.acquire() as reader:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("select * from registry.version limit 1")  # the swap waits for this
        async with running(runtime, follower(newer)) as process:

            async def built() -> Any:
                return process.health.components.get("views", {}).get("building")

            await until(built, "a table that is being built")
            last = await write(log, facts[60:], heads)
            await wait_until(log.pool, NAMES, last)
            await until_reported(process, "views", ready=True, building={"version": {"position": 60, "of": last}})
            old = {"fold": version.version - 1, "generation": 1, "current": False}
            await until_reported(process, "views", views=FIRST | {"version": old})
            assert await shown(log, MODELS) == await plain(log, MODELS)
            await reading.rollback()
            swapped = FIRST | {"version": {"fold": version.version, "generation": 2, "current": True}}
            await until_reported(process, "views", ready=True, building={}, views=swapped)
    shouts = await log.pool.fetch("select model, shouted from registry.version")
    assert shouts
    assert all(shouted == model.upper() for model, shouted in shouts)


def with_shout(sql: str) -> str:
    """The SQL of a view with an additional column."""
    return sql.replace("\n  from", ",\n       upper(model) as shouted\n  from")


async def test_another_champion_stage_replaces_the_public_view_and_no_table(runtime: Runtime, log: Log) -> None:
    await write(log, grown(MODELS, 7, 200), {})
    for stage in ("staging", "production"):
        policy = DEFAULT.model_copy(update={"champion_stage": stage})
        async with running(Runtime(runtime.settings, runtime.pool, policy), follower()) as process:
            await until_reported(process, "views", ready=True, views=FIRST)
        expected = await plain(log, MODELS, stage)
        assert any(row["serving"] for row in expected["model"].values()), stage
        assert await shown(log, MODELS) == expected


async def test_tables_of_a_program_that_kept_no_sql_are_followed_on(runtime: Runtime, log: Log) -> None:
    facts, heads = grown(MODELS, 8, 60), dict[str, int]()
    async with running(runtime, follower()):
        await wait_until(log.pool, NAMES, await write(log, facts[:60], heads))
    await log.pool.execute("drop table registry.definition")
    async with running(runtime, follower()) as process:
        await wait_until(log.pool, NAMES, await write(log, facts[60:], heads))
        await until_reported(process, "views", ready=True, views=FIRST)
    assert await shown(log, MODELS) == await plain(log, MODELS)
