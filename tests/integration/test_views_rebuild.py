"""Rebuilding while the views are read and kept up to date."""

import asyncio
import itertools
import json
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from services.views.app import follower
from services.views.engine.cursors import FoldChanged, NewerFold
from services.views.engine.definition import NAMES, VIEWS, View
from services.views.engine.projector import Projector
from services.views.engine.rebuild import digests, rebuild
from shared.log import Log
from shared.log.view_cursors import wait_until
from shared.runtime.postgres import session
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from shared.runtime.waiting import run_beside
from stack.waiting import until
from tests.integration.followers import environment, running
from tests.integration.test_views import shown
from tests.integration.views_fixtures import complete, grown, projecting, write
from tests.integration.views_plain import plain

MODELS = ["a", "b", "c"]
VERSION = next(view for view in VIEWS if view.name == "version")
NEXT = replace(VERSION, version=VERSION.version + 1)


async def filled(log: Log, facts: int = 300) -> int:
    """Views of a small log."""
    top = await write(log, grown(MODELS, 5, facts // 3), {})
    async with projecting(log):
        return top


async def generations(log: Log) -> dict[str, int]:
    return dict(await log.pool.fetch("select view, generation from registry.cursor order by view"))


async def tables(log: Log) -> list[str]:
    rows = await log.pool.fetch("select tablename from pg_tables where schemaname = 'registry' order by 1")
    return [name for (name,) in rows if name not in ("cursor", "definition")]


async def test_views_dropped_and_rebuilt_are_equal(log: Log) -> None:
    await filled(log)
    before = await digests(log.pool)
    reports = await rebuild(log.pool, drop=True)
    assert {report.view: str(report.before) for report in reports} == before == await digests(log.pool)
    assert all(report.equal for report in reports)


async def test_swaps_under_readers_and_writers_show_no_error_and_nothing_empty(settings: Settings, log: Log) -> None:
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

    async with running(Runtime(settings, log.pool, settings.read_policy()), follower()):
        async with asyncio.TaskGroup() as group:
            for view in seen:
                group.create_task(read(view))
            group.create_task(grow())
            reports = [report for _ in range(4) for report in await rebuild(log.pool)]
            done.set()
        await wait_until(log.pool, NAMES, await log.settled())
    assert all(report.equal for report in reports)
    assert min(seen.values()) > 20
    models = [name for (name,) in await log.pool.fetch("select model from registry.model")]
    assert await generations(log) == {"model": 5, "serving": 5, "version": 5}
    assert await shown(log, models) == await plain(log, models)


async def test_the_old_tables_are_gone_after_the_swap(log: Log) -> None:
    await filled(log)
    await rebuild(log.pool)
    assert await tables(log) == ["model_2", "serving_2", "version_2"]


async def test_a_table_that_is_still_read_is_dropped_by_the_next_rebuild(log: Log) -> None:
    await filled(log)
    async with log.pool.acquire() as reader, reader.transaction():
        await reader.fetch("select * from registry.model_1")
        await rebuild(log.pool)
        assert await tables(log) == ["model_1", "model_2", "serving_2", "version_2"]
    await rebuild(log.pool)
    assert await tables(log) == ["model_3", "serving_3", "version_3"]


async def waits_for_a_lock(log: Log) -> bool:
    """Whether a session waits for a lock that excludes readers."""
    return bool(
        await log.pool.fetchval("select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'")
    )


async def test_a_long_reader_delays_the_swap_and_no_other_reader(log: Log) -> None:
    await filled(log)
    async with log.pool.acquire() as reader:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("select * from registry.model")
        rebuilding = asyncio.create_task(rebuild(log.pool))
        await until(lambda: waits_for_a_lock(log), "a swap that waits for the reader")
        for _ in range(20):
            await log.pool.fetch("select * from registry.model", timeout=1)
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


COLUMNS = """
select relname, concat_ws(' ', attname, format_type(atttypid, atttypmod), collname)
  from pg_attribute join pg_class on pg_class.oid = attrelid left join pg_collation on pg_collation.oid = attcollation
 where relnamespace = 'registry'::regnamespace and relkind = 'v' and attnum > 0
 order by attnum
"""
ADDED = VERSION.view.replace("\n  from", ",\n       upper(model) as shouted\n  from")


async def test_a_new_column_comes_with_a_new_fold_and_views_and_rights_of_users_stay(log: Log, database: str) -> None:
    await filled(log)
    owner, role = await asyncpg.connect(database), f"reader_{secrets.token_hex(4)}"
    await owner.execute(f"create role {role}; grant select on registry.version to {role}")
    await owner.execute(
        "create view public.late as select model, version, status from registry.version where model like 'late%'"
    )
    try:
        for later, shape in ((1, ADDED), (2, ADDED)):
            async with projecting(log, [replace(VERSION, version=VERSION.version + later, view=shape)]) as projector:
                top = await write(log, grown([f"late {later}"], 7, 40), {})
                await projector.advance(top)
        assert await generations(log) == {"model": 1, "serving": 1, "version": 3}
        assert await owner.fetchval("select has_table_privilege($1, 'registry.version', 'select')", role)
        assert await owner.fetchval("select count(*) from public.late where model = 'late 2'") > 0
        assert await owner.fetchval("select bool_and(shouted = upper(model)) from registry.version")
    finally:
        await owner.execute(f"drop owned by {role}; drop role {role}")
        await owner.close()


async def test_a_fold_that_takes_a_column_away_is_refused_and_the_old_one_goes_on(log: Log) -> None:
    await filled(log)
    view = replace(VERSION, version=VERSION.version + 1, view=VERSION.view.replace("       tags,\n", ""))
    async with session(log.pool) as connection:
        projector = Projector(log.pool, connection, [view])
        await projector.open()
        async with run_beside(projector.tend(view)):
            await until(lambda: failing(projector), "a view that fails")
            assert "expected the columns of the public view in their order" in projector.failing["version"].error
            await projector.advance(await write(log, grown(["late"], 7, 10), {}))
    assert (await shown(log, ["late"]))["version"] == (await plain(log, ["late"]))["version"]


async def failing(projector: Projector) -> bool:
    return bool(projector.failing)


async def test_a_process_with_an_older_fold_gives_way(log: Log) -> None:
    await filled(log)
    async with projecting(log) as old:
        top = await write(log, grown(["late"], 7, 10), {})
        async with projecting(log, [NEXT]):
            pass
        with pytest.raises(
            NewerFold, match=f"version is made by fold {NEXT.version}, this process has {VERSION.version}"
        ):
            await old.advance(top)


async def test_a_fold_edited_under_its_version_is_found(log: Log) -> None:
    await filled(log)
    edited = replace(VERSION, merge=VERSION.merge.replace("drifts + known.drifts", "drifts"))
    async with session(log.pool) as connection:
        with pytest.raises(FoldChanged, match=f"raise services/views/tables/version/VERSION to {NEXT.version}"):
            await Projector(log.pool, connection, [edited]).open()


async def test_a_view_that_is_new_catches_up_and_goes_on_with_the_others(log: Log) -> None:
    top = await filled(log)
    twin = View("twin", 1, VERSION.fold, VERSION.merge, VERSION.table, VERSION.view)
    later = await write(log, grown(["late"], 8, 10), {})
    async with session(log.pool) as connection:
        projector = Projector(log.pool, connection, [*VIEWS, twin])
        await projector.open()
        assert projector.position == top
        async with run_beside(projector.tend(twin)):
            await projector.advance(later)
            await until(lambda: complete(projector), "the new view at the position of the others")
            await projector.advance(await write(log, grown(["later"], 9, 10), {}))
    same = "select count(*) from (select * from registry.twin except select * from registry.version) as different"
    assert await log.pool.fetchval(same) == 0
    assert await log.pool.fetchval("select count(*) from registry.twin where model = 'later'") > 0


async def test_the_command_prints_equal_and_the_speed(log: Log, settings: Settings) -> None:
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
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "operations", *words],
        env=os.environ | environment(settings),
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


async def test_public_columns_keep_name_order_type_and_collation(log: Log) -> None:
    """Else a new fold cannot replace the public view; see views_columns.json, to which columns are only added."""
    async with projecting(log):
        rows = await log.pool.fetch(COLUMNS)
    found = {view: [text for name, text in rows if name == view] for view in NAMES}
    expected = json.loads(Path(__file__).with_name("views_columns.json").read_text())
    assert {view: columns[: len(expected.get(view, []))] for view, columns in found.items()} == expected
