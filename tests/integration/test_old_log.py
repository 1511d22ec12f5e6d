"""What commit ea756c9 left behind is read as it was meant: its log, snapshots, views, topics and parked records."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest
from modelog.envelope import Message, decode
from modelog.events import BY_TYPE, Fact
from modelog.policy import DEFAULT

from services import component, names
from services.ingestion.decision import Register, registration
from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.views.engine.definition import VIEWS
from services.views.engine.rebuild import rebuild
from shared.bus.parked_records import digest_of, read_parked
from shared.bus.topics import PARKED
from shared.deciding.command_handler import Answered, CommandHandler
from shared.deciding.service import Service
from shared.domain.command import Cause, CausedCommand
from shared.domain.decider import Decider
from shared.log import Log, read_fact
from shared.log.migrations import migrate
from shared.runtime.postgres import connect
from stack import Addresses
from tests.e2e.installation import DECIDING
from tests.examples import digest, trained, uri
from tests.looking import answer_all
from tests.upgrade.databases import empty_database
from tests.upgrade.dump import Row, load_dump, read_dump

EVENTS: Sequence[Row] = read_dump().rows["log.event"]
FINITE: Sequence[Row] = [json.loads(json.dumps(row).replace('"NaN"', "0.5")) for row in EVENTS]
"""The same facts, so that equal states are equal: a metric that is no number never equals itself."""
MODELS = sorted({row["stream"] for row in EVENTS})
DECIDERS: Sequence[Decider[Any, Any]] = [
    decider
    for service in map(component, names())
    if isinstance(service, Service)
    for decider in service.deciders
    if decider.name in {row["decider"] for row in read_dump().rows["log.snapshot"]}
]


NEW_FACTS = """
select stream, version, kind, data from log.event where meta ->> 'causation' like 'command-%' order by stream, version
"""


def as_schema_2(row: Row) -> Row:
    """The same fact as it is written today: `actor` was the message's source, and is who asked, or missing."""
    meta = dict(row["meta"])
    meta |= {"schema": 2, "causation_source": meta.pop("actor")}
    return {**row, "meta": meta | ({"actor": "u-17"} if row["position"] % 2 else {})}


@asynccontextmanager
async def upgraded(stack: Addresses, **rows: Sequence[Row]) -> AsyncIterator[Log]:
    """The log of a database that was left by ea756c9 and set up again by this commit."""
    async with AsyncExitStack() as opened:
        url, owner = await opened.enter_async_context(empty_database(stack))
        await load_dump(owner, **rows)
        await migrate(owner)
        yield Log(await opened.enter_async_context(await connect(url, "modelog_service")))


def covers(new: Row, old: Row) -> bool:
    """Whether everything in the old row is in the new row; fields may have been added."""
    return {**new, **old} == new


@pytest.fixture(scope="module")
async def old(stack: Addresses) -> AsyncIterator[Log]:
    async with upgraded(stack, event=FINITE) as log:
        yield log


def register(model: str, run: str) -> Register:
    return Register(trained(run).model_copy(update={"model": model}), digest(1), uri(1), 3, "pickle", ())


def repeats(decider: Decider[Any, Any]) -> list[CausedCommand[Any]]:
    """A command for every message that the decider has answered, with the message as its cause."""
    answered = [row for row in EVENTS if row["meta"]["source"] == f"/modelog/{decider.name}"]
    messages = [(row["stream"], Message(trained(), row["meta"]["causation"], row["meta"]["actor"])) for row in answered]
    return [CausedCommand(register(model, "again"), Cause.of(message)) for model, message in messages]


async def histories(log: Log, decider: Decider[Any, Any]) -> dict[str, Any]:
    """What a service that has just started knows of every stream, once every old message has come again."""
    handler = CommandHandler(log, decider)
    assert await handler.answer(repeats(decider)) == Answered()
    return {model: handler.histories.get(model) for model in MODELS}


async def new_facts(log: Log) -> list[tuple[Any, ...]]:
    """The facts that new commands lead to, without their ids."""
    commands: list[tuple[Decider[Any, Any], Any]] = []
    for model in MODELS:
        commands.append((registration, register(model, "new run")))
        commands.append((retirement, Retire(model, 1, "ada", "")))
        commands += [(promotion, Promote(model, n, "production", "ada", "", DEFAULT)) for n in range(1, 60)]
    handlers = {decider.name: CommandHandler(log, decider) for decider in DECIDERS}
    for n, (decider, command) in enumerate(commands):
        cause = Cause.of(Message(trained(), f"command-{n}", "/tests"))
        await answer_all(handlers[decider.name], [CausedCommand(command, cause)])
    return [tuple(row) for row in await log.pool.fetch(NEW_FACTS)]


def test_the_dump_has_every_fact_and_a_snapshot_of_every_decider() -> None:
    assert {row["kind"] for row in EVENTS} == {record.topic for record in read_dump().records} & _facts()
    assert {decider.name for decider in DECIDERS} == {row["decider"] for row in read_dump().rows["log.snapshot"]}
    assert {row["meta"]["schema"] for row in EVENTS} == {1}


async def test_the_copied_sql_is_what_was_applied(stack: Addresses) -> None:
    async with empty_database(stack) as (_, owner):
        await load_dump(owner)
        applied = await owner.fetch("select name, sha256 from modelog.migration order by name")
        assert [tuple(row) for row in applied] == [
            (row["name"], row["sha256"]) for row in read_dump().rows["modelog.migration"]
        ]


def test_every_old_fact_decodes_without_loss() -> None:
    for row in EVENTS:
        fact = read_fact(row["kind"], json.dumps(row["data"]))
        assert covers(json.loads(fact.model_dump_json()), row["data"])


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.name)
async def test_facts_of_schema_1_are_known_as_the_same_facts_of_schema_2(
    stack: Addresses, old: Log, decider: Any
) -> None:
    async with upgraded(stack, event=[as_schema_2(row) for row in FINITE]) as rewritten:
        known = await histories(old, decider)
        assert known == await histories(rewritten, decider)
        assert {model: known[model].version for model in MODELS} == await heads(old)
        assert all(known[model].state != decider.initial for model in MODELS)


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.name)
async def test_an_old_message_that_comes_again_changes_nothing(old: Log, decider: Any) -> None:
    before = await heads(old)
    assert len(repeats(decider)) > 1
    await CommandHandler(old, decider).answer(repeats(decider))
    assert await heads(old) == before


async def test_old_snapshots_are_passed_over_with_equal_answers(stack: Addresses) -> None:
    snapshots = read_dump().rows["log.snapshot"]
    found = []
    for kept in (snapshots, [], [{**row, "told": "nonsense", "said": "\\x00"} for row in snapshots]):
        async with upgraded(stack, event=FINITE, snapshot=kept) as log:
            known = {decider.name: await histories(log, decider) for decider in DECIDERS}
            found.append((known, await new_facts(log)))
    with_snapshots, without, spoiled = found
    assert with_snapshots == without == spoiled
    assert {kind for _, _, kind, _ in without[1]} >= {"model.registered", "model.promoted", "promotion.refused"}


async def test_views_that_are_built_again_show_what_the_old_views_showed(stack: Addresses) -> None:
    async with upgraded(stack) as log:
        before = {view.name: await _shown(log.pool, view.name) for view in VIEWS if view.name in _old_views()}
        assert len(before) == 3
        reports = await rebuild(log.pool)
        assert {report.view for report in reports} >= set(before)
        assert not [report.view for report in reports if report.equal is False]
        for name, rows in before.items():
            after = await _shown(log.pool, name)
            assert len(after) == len(rows) > 0
            assert all(covers(new, old) for old, new in zip(rows, after, strict=True)), name


def test_old_records_decode_to_the_facts_of_the_log() -> None:
    logged = {row["position"]: row for row in EVENTS}
    for record in read_dump().records:
        if record.topic == PARKED:
            continue
        message = decode(record.key, record.value, record.headers)
        assert message.event.type == record.topic
        if isinstance(message.event, Fact):
            row = logged[message.sequence or 0]
            assert (message.id, message.source) == (row["id"], row["meta"]["source"])
            logged_fact = read_fact(row["kind"], json.dumps(row["data"]))
            assert message.event.model_dump_json() == logged_fact.model_dump_json()


def test_old_parked_records_are_read() -> None:
    records = [record for record in read_dump().records if record.topic == PARKED]
    read = [read_parked(record) for record in records]
    assert {(said.place.topic, said.place.service) for said in read if said} == {("dump.model.trained", "ingestion")}
    whole = [digest_of(record.key, record.value, record.headers) for record in records if record.key != b"too large"]
    assert sorted(said.digest for said in read if said and said.digest) == sorted(whole)
    assert len(read) == len(whole) + 1


def test_old_consumer_groups_are_those_of_todays_services() -> None:
    assert {group for group, _ in read_dump().offsets} <= set(DECIDING)


async def heads(log: Log) -> dict[str, int]:
    """The version of every stream."""
    return dict(await log.pool.fetch("select stream, version from log.stream"))


def _facts() -> set[str]:
    return {name for name, event in BY_TYPE.items() if issubclass(event, Fact)}


def _old_views() -> set[str]:
    return {str(row["view"]) for row in read_dump().rows["registry.cursor"]}


async def _shown(pool: asyncpg.Pool, view: str) -> list[dict[str, Any]]:
    rows = await pool.fetch(f"select to_jsonb(v)::text from registry.{view} v order by v")
    return [json.loads(row) for (row,) in rows]
