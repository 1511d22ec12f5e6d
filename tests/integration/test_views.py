"""The views on a real Postgres: what they show, and that it is the same however the log is divided into ranges."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelog.events import ModelPromoted
from modelog.policy import DEFAULT, Policy

from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.retraining.decision import Consider, retraining
from services.views.engine.cursors import CursorMoved
from services.views.engine.definition import NAMES, VIEWS
from services.views.engine.rebuild import rebuild
from services.views.engine.step import Step
from shared.domain.decider import Decider
from shared.log import Log
from shared.log.follower import try_lock
from shared.log.lock_keys import lock_key
from shared.log.view_cursors import wait_until
from shared.runtime.postgres import session
from tests.appends import numbered
from tests.examples import NOON, RETRAINING, drifted, registered
from tests.histories import STEPS, History
from tests.integration.views_fixtures import facts_of, grown, mingled, projecting, write
from tests.integration.views_plain import Views, plain
from tests.looking import decided

KEYS = {"version": ("model", "version"), "model": ("model",), "serving": ("model", "stage")}
MODEL_NAMES = (f"model {n}" for n in itertools.count())


def rows(view: str, records: Iterable[asyncpg.Record]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What Postgres answers, with JSON and ids as Python values."""

    def decoded(record: asyncpg.Record) -> dict[str, Any]:
        jsons = {"files", "metrics", "parameters", "datasets", "features", "code", "framework", "dependencies", "tags"}
        jsons |= {"experiment", "findings"}
        row = {name: json.loads(value) if value and name in jsons else value for name, value in record.items()}
        return row | ({"answers": str(row["answers"])} if row.get("answers") else {})

    return {tuple(record[column] for column in KEYS[view]): decoded(record) for record in records}


async def shown(log: Log, models: Sequence[str]) -> Views:
    """What the public sees of these models."""
    ask = "select * from registry.{} where model = any ($1)"
    return {view: rows(view, await log.pool.fetch(ask.format(view), models)) for view in KEYS}


async def folded(log: Log, after: int, upto: int) -> Views:
    """What the public would see of a table that is a single fold of the range."""
    views = {}
    for view in VIEWS:
        fold = view.fold.replace("$1", str(after)).replace("$2", str(upto))
        views[view.name] = rows(view.name, await log.pool.fetch(view.rows_sql(f"({fold}) as folded")))
    return views


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STEPS)), max_size=60),
    cuts=st.sets(st.integers(0, 120)),
)
async def test_any_division_of_the_log_into_ranges_folds_to_what_plain_python_computes(
    log: Log, seed: int, steps: list[tuple[int, Any]], cuts: set[int]
) -> None:
    histories = [History(next(MODEL_NAMES), seed) for _ in range(3)]
    for which, step in steps:
        step(histories[which])
    models = [history.model for history in histories]
    facts = mingled([(history.model, history.facts) for history in histories], seed)
    async with projecting(log) as projector:
        after = projector.position
        upto = await write(log, facts, {}) or after
        for edge in [*sorted(after + cut for cut in cuts if 0 < cut < upto - after), upto]:
            if edge > after:
                await projector.advance(edge)
    expected = await plain(log, models)
    assert await shown(log, models) == expected
    assert await folded(log, after, upto) == expected


async def test_a_story_of_three_versions(log: Log) -> None:
    story = History("fraud")
    while story.latest < 3:
        STEPS[0](story)
    registrations = [fact for fact in story.facts if fact.type == "model.registered"]

    def promoted(version: int, stage: str, leaves: str, replaces: int | None) -> ModelPromoted:
        digest = "sha256:" + "0" * 64
        return ModelPromoted(
            model="fraud", version=version, stage=stage, leaves=leaves, replaces=replaces, by="ada", manifest=digest,
            uri="s3://modelog/1", policy=digest,
        )  # fmt: skip

    async with projecting(log) as projector:
        moves = [
            promoted(1, "production", "development", None),
            promoted(2, "staging", "development", None),
            promoted(2, "production", "staging", 1),
            promoted(3, "staging", "development", None),
        ]
        await projector.advance(await write(log, facts_of([*registrations, *moves]), {}))
    seen = await shown(log, ["fraud"])
    assert [row["stage"] for row in seen["version"].values()] == ["archived", "production", "staging"]
    assert {key[1]: (row["version"], row["previous"]) for key, row in seen["serving"].items()} == {
        "production": (2, 1),
        "staging": (3, None),
    }
    assert seen["model"]["fraud",]["serving"] == 2


async def test_a_slot_whose_version_left_is_empty(log: Log) -> None:
    history = History("fraud")
    facts = [fact for fact in history.grow(3000) if isinstance(fact, ModelPromoted)]
    left = next(fact for fact in facts if fact.leaves == "staging")
    upto = facts.index(left) + 1
    async with projecting(log) as projector:
        await projector.advance(await write(log, facts_of(history.facts[: history.facts.index(left) + 1]), {}))
    assert upto > 1
    slot = (await shown(log, ["fraud"]))["serving"]["fraud", "staging"]
    assert (slot["version"], slot["manifest"], slot["previous"]) == (None, None, left.version)


async def test_no_refusal_makes_a_row_of_a_version_that_is_not_registered(log: Log) -> None:
    asked: list[tuple[Decider[Any, Any], Any]] = [
        (promotion, Promote("fraud", 99, stage, "ada", "", policy, automatic))
        for stage in ("production", "moon")
        for policy in (DEFAULT, Policy(promote_to=None))
        for automatic in (False, True)
    ]
    asked += [
        (retirement, Retire("fraud", 99, "ada", "")),
        (retraining, Consider(drifted(99), RETRAINING, DEFAULT, NOON)),
    ]
    refusals = [decided(d, d.after(d.initial, [registered(1)]), command) for d, command in asked]
    assert all(refusals)
    facts = [registered(1), *itertools.chain.from_iterable(refusals)]
    async with projecting(log) as projector:
        await projector.advance(await write(log, facts_of(facts), {}))
    assert set((await shown(log, ["fraud"]))["version"]) == {("fraud", 1)}


async def test_the_same_range_again_changes_nothing(log: Log) -> None:
    top = await write(log, grown(["a", "b"], 1, 60), {})
    async with projecting(log) as projector:
        before = await shown(log, ["a", "b"])
        step = await Step.prepare(projector.connection, list(projector.followed.values()))
        for after in (0, top - 1):
            with pytest.raises(CursorMoved):
                await step.run(after, top)
    assert await shown(log, ["a", "b"]) == before == await plain(log, ["a", "b"])


async def test_a_crash_between_fold_and_commit_neither_loses_nor_doubles(log: Log, database: str) -> None:
    facts, heads = grown(["a", "b"], 2, 60), dict[str, int]()
    await write(log, facts[:50], heads)

    owner = await asyncpg.connect(database)

    async def crash() -> None:
        async with projecting(log) as projector, projector.connection.transaction():
            await projector.advance(await write(log, facts[50:], heads))
            assert await owner.fetchval("select pg_terminate_backend($1, 5000)", projector.connection.get_server_pid())

    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await crash()
    await owner.close()
    top = await log.settled()
    async with projecting(log) as projector:
        assert projector.position == 50
        await projector.advance(top)
    assert await shown(log, ["a", "b"]) == await plain(log, ["a", "b"])


async def test_two_projectors_never_work_at_once(log: Log) -> None:
    async with session(log.pool) as first, session(log.pool) as second:
        assert await try_lock(first, lock_key("views"))
        assert not await try_lock(second, lock_key("views"))


async def test_what_cannot_be_compared_cannot_stop_a_fold(log: Log) -> None:
    """Values that Python carries and Postgres would refuse under their own types."""
    facts = History("a", 1).grow(1)
    odd = json.loads(facts[0].model_dump_json()) | {
        "trained_at": "0001-01-01T00:00:00+23:59",
        "metrics": {"nan": "NaN", "inf": "-Infinity", "tiny": 5e-324},
        "parameters": {"huge": 10**400, "null": None, "line": "\u2028"},
    }
    top = await write(log, facts_of([type(facts[0]).model_validate(odd)]), {})
    async with projecting(log):
        pass
    await wait_until(log.pool, NAMES, top, 1)
    assert await shown(log, ["a"]) == await plain(log, ["a"])


async def test_waiting_for_a_position_that_does_not_come_names_the_views_that_are_behind(log: Log) -> None:
    with pytest.raises(TimeoutError, match=r"the views at 7 in 0\.01 s, found \{'model': 0, 'serving': 0"):
        await wait_until(log.pool, NAMES, 7, 0.01)


async def test_a_rebuild_equals_what_was_followed_fact_by_fact(log: Log) -> None:
    facts, heads = grown(["a", "b", "c"], 3, 150), dict[str, int]()
    luck = random.Random(3)
    async with projecting(log) as projector:
        while facts:
            some = luck.randrange(1, 40)
            await projector.advance(await write(log, facts[:some], heads))
            facts = facts[some:]
    reports = await rebuild(log.pool)
    assert [report.equal for report in reports] == [True, True, True]
    assert await shown(log, ["a", "b", "c"]) == await plain(log, ["a", "b", "c"])


async def test_waiting_ends_when_the_facts_are_shown(log: Log) -> None:
    async with projecting(log) as projector:
        top = await write(log, grown(["a"], 4, 5), {})
        waiting = asyncio.create_task(wait_until(log.pool, NAMES, top, 5))
        await asyncio.sleep(0)
        assert not waiting.done()
        await projector.advance(top)
        await waiting


async def test_a_fact_that_no_fold_names_passes_and_changes_its_model(log: Log, database: str) -> None:
    heads = dict[str, int]()
    await write(log, grown(["a"], 4, 5), heads)
    owner = await asyncpg.connect(database)
    await owner.execute("insert into log.kind values ('version.tags.set')")
    await owner.close()
    top = (await log.append([numbered("a", heads["a"], 1, kind="version.tags.set")]))["a"].position
    async with projecting(log):
        pass
    await wait_until(log.pool, NAMES, top, 1)
    changed = await log.pool.fetchrow("select changed, position from registry.model")
    assert changed == ("version.tags.set", top)
