"""Rebuilding while the views are read and kept up to date."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import asyncpg
import pytest

from services.views.engine.cursors import FoldChanged, wait_until
from services.views.engine.definition import VIEWS, View
from services.views.engine.projector import CursorMoved, NewerFold, Projector
from services.views.engine.rebuild import digests, rebuild
from shared.log import Log
from shared.log.following import Ranges, follow
from shared.runtime.postgres import session
from shared.runtime.settings import Settings
from tests.integration.test_views import grown, projecting, shown
from tests.integration.views_fixtures import write
from tests.integration.views_plain import plain

MODELS = ["a", "b", "c"]
VERSION = next(view for view in VIEWS if view.name == "version")
NEXT = replace(VERSION, version=VERSION.version + 1)


@asynccontextmanager
async def following(log: Log) -> AsyncIterator[asyncio.Event]:
    """A projector at work, opening again whenever a table was swapped under it."""
    stopping = asyncio.Event()

    async def work() -> None:
        async with session(log.pool) as connection:
            projector = Projector(log.pool, connection)
            assert await projector.lock()
            while not stopping.is_set():
                with suppress(CursorMoved):
                    cursors = await projector.open()

                    async def step(after: int, upto: int) -> None:
                        await projector.step(after, upto)

                    await follow(log, Ranges(cursors["model"].position, step), stopping)

    working = asyncio.create_task(work())
    yield stopping
    stopping.set()
    await working


async def filled(log: Log, facts: int = 300) -> int:
    """Views of a small log."""
    top = await write(log, grown(MODELS, 5, facts // 3), {})
    async with projecting(log):
        return top


async def generations(log: Log) -> dict[str, int]:
    return dict(await log.pool.fetch("select view, generation from registry.cursor order by view"))


async def tables(log: Log) -> list[str]:
    rows = await log.pool.fetch("select tablename from pg_tables where schemaname = 'registry' order by 1")
    return [name for (name,) in rows if name != "cursor"]


async def test_views_dropped_and_rebuilt_are_equal(log: Log) -> None:
    await filled(log)
    before = await digests(log.pool)
    reports = await rebuild(log.pool, drop=True)
    assert {report.view: str(report.before) for report in reports} == before == await digests(log.pool)
    assert all(report.equal for report in reports)


async def test_swaps_under_readers_and_writers_show_no_error_and_nothing_empty(log: Log) -> None:
    await filled(log)
    done, seen = asyncio.Event(), dict.fromkeys(("version", "model", "serving"), 0)

    async def read(view: str) -> None:
        least = 1
        while not done.is_set():
            now = await log.pool.fetchval(f"select count(*) from registry.{view}")
            assert now >= least
            least, seen[view] = now, seen[view] + 1

    async def grow() -> None:
        for model in map("new {}".format, itertools.count()):
            if done.is_set():
                return
            await write(log, grown([model], 6, 40), {})

    async with following(log):
        async with asyncio.TaskGroup() as group:
            for view in seen:
                group.create_task(read(view))
            group.create_task(grow())
            reports = [report for _ in range(4) for report in await rebuild(log.pool)]
            done.set()
        await wait_until(log.pool, await log.settled())
    assert all(report.equal for report in reports)
    assert min(seen.values()) > 20
    models = [name for (name,) in await log.pool.fetch("select model from registry.model")]
    assert await generations(log) == {"model": 5, "serving": 5, "version": 5}
    assert await shown(log, models) == await plain(log, models)


async def test_the_old_tables_are_gone_after_the_swap(log: Log) -> None:
    await filled(log)
    await rebuild(log.pool)
    assert await tables(log) == ["model_2", "serving_2", "version_2"]


async def test_a_table_that_somebody_still_reads_goes_with_the_next_rebuild(log: Log) -> None:
    await filled(log)
    async with log.pool.acquire() as reader, reader.transaction():
        await reader.fetch("select * from registry.model_1")
        await rebuild(log.pool)
        assert await tables(log) == ["model_1", "model_2", "serving_2", "version_2"]
    await rebuild(log.pool)
    assert await tables(log) == ["model_3", "serving_3", "version_3"]


async def test_a_long_reader_delays_the_swap_and_no_other_reader(log: Log) -> None:
    await filled(log)
    async with log.pool.acquire() as reader:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("select * from registry.model")
        rebuilding = asyncio.create_task(rebuild(log.pool))
        for _ in range(20):
            await log.pool.fetch("select * from registry.model", timeout=1)
            await asyncio.sleep(0.02)
        assert not rebuilding.done()
        await reading.rollback()
    assert all(report.equal for report in await rebuilding)


async def test_a_table_that_differs_stays_until_the_log_is_accepted(log: Log) -> None:
    await filled(log)
    await log.pool.execute("update registry.model_1 set drifts = drifts + 1 where model = 'a'")
    wrong = await digests(log.pool)
    reports = {report.view: report for report in await rebuild(log.pool)}
    assert (reports["model"].equal, reports["model"].swapped) == (False, None)
    assert reports["version"].equal
    assert (await digests(log.pool))["model"] == wrong["model"]
    assert "model_2" in await tables(log)
    accepted = {report.view: report for report in await rebuild(log.pool, accept=True)}
    assert not accepted["model"].equal
    assert await shown(log, MODELS) == await plain(log, MODELS)


async def test_a_new_version_of_a_fold_is_built_beside_and_swapped_in(log: Log) -> None:
    await filled(log)
    added = VERSION.view.replace("select model,", "select upper(model) as shouted, model,")
    taken = VERSION.view.replace("       tags,\n", "")
    for later, shape in ((1, added), (2, taken)):
        view = replace(VERSION, version=VERSION.version + later, view=shape)
        async with session(log.pool) as connection:
            cursors = await Projector(log.pool, connection, [view]).open()
        assert (cursors["version"].generation, cursors["version"].fold) == (1 + later, view.version)
    columns = (await log.pool.fetchrow("select * from registry.version")).keys()
    assert not {"shouted", "tags"} & set(columns)
    assert len(await log.pool.fetch("select * from registry.version")) > 50


async def test_a_process_with_an_older_fold_gives_way(log: Log) -> None:
    await filled(log)
    async with projecting(log) as old:
        top = await write(log, grown(["late"], 7, 10), {})
        async with session(log.pool) as connection:
            await Projector(log.pool, connection, [NEXT]).open()
        with pytest.raises(CursorMoved):
            await old.step(top - 10, top)
        with pytest.raises(
            NewerFold, match=f"version is made by fold {NEXT.version}, this process has {VERSION.version}"
        ):
            await old.open()


async def test_a_fold_edited_under_its_version_is_found(log: Log) -> None:
    await filled(log)
    edited = replace(VERSION, merge=VERSION.merge + "-- edited")
    async with session(log.pool) as connection:
        with pytest.raises(FoldChanged, match=f"raise services/views/tables/version/VERSION to {NEXT.version}"):
            await Projector(log.pool, connection, [edited]).open()


async def test_a_view_that_is_new_catches_up_and_goes_on_with_the_others(log: Log) -> None:
    top = await filled(log)
    async with session(log.pool) as connection:
        mine = [*VIEWS, View("twin", 1, VERSION.fold, VERSION.merge, VERSION.table, VERSION.view)]
        later = await write(log, grown(["late"], 8, 10), {})
        projector = Projector(log.pool, connection, mine)
        assert {cursor.position for cursor in (await projector.open()).values()} == {later}
        last = await write(log, grown(["later"], 9, 10), {})
        assert await projector.step(later, last) == 10
    assert top < later
    same = "select count(*) from (select * from registry.twin except select * from registry.version) as different"
    assert await log.pool.fetchval(same) == 0


async def test_the_command_says_equal_and_how_fast(log: Log, settings: Settings) -> None:
    await filled(log)
    done = await command(settings, "rebuild")
    assert (done.returncode, done.stdout.count(" equal, swapped in ")) == (0, 3)
    assert "rows from 300 facts" in done.stdout
    await log.pool.execute("delete from registry.serving_2")
    done = await command(settings, "rebuild", "serving")
    assert done.returncode == 1
    assert "the old table stays in use, compare it with registry.serving_3" in done.stderr
    assert "no view is called servings" in (await command(settings, "rebuild", "servings")).stderr


async def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    told = {f"MODELOG_{name}".upper(): value for name, value in settings.model_dump(exclude_none=True).items()}
    told |= {name: value.get_secret_value() for name, value in told.items() if hasattr(value, "get_secret_value")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "operations", *words],
        env=os.environ | {name: str(value) for name, value in told.items()},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_rebuilding_before_there_is_anything_makes_the_views(log: Log) -> None:
    reports = await rebuild(log.pool)
    assert [(report.view, report.digest.rows, report.equal) for report in reports] == [
        ("model", 0, None),
        ("serving", 0, None),
        ("version", 0, None),
    ]
    with pytest.raises(asyncpg.UndefinedTableError):
        await log.pool.fetch("select * from registry.nothing")
