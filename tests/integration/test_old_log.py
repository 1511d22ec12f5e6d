"""What commit ea756c9 left behind is read as it was meant: its log, snapshots, views, topics and parked records."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from modelog.envelope import Message, decode
from modelog.events import BY_TYPE, Fact
from modelog.policy import DEFAULT

from operations.parked import parked
from services.ingestion.decision import Register, registration
from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.retraining.decision import retraining
from services.validation.decision import validation
from services.views.engine.definition import VIEWS
from services.views.engine.rebuild import rebuild
from shared.bus.topics import PARKED, make_topics
from shared.deciding.command_handler import CommandFromMessage, CommandHandler
from shared.domain.decider import Decider
from shared.log import Log, connect
from shared.log.migrations import migrate
from shared.runtime.settings import Settings
from stack import Addresses
from tests.e2e.cluster import DECIDING
from tests.examples import digest, trained, uri
from tests.upgrade.databases import empty_database
from tests.upgrade.dump import Row, load_dump, read_dump

EVENTS: Sequence[Row] = read_dump().rows["log.event"]
FINITE: Sequence[Row] = [json.loads(json.dumps(row).replace('"NaN"', "0.5")) for row in EVENTS]
"""The same facts, so that equal states are equal: a metric that is no number never equals itself."""
MODELS = sorted({row["stream"] for row in EVENTS})
DECIDERS: dict[str, Decider[Any, Any]] = {
    "ingestion": registration,
    "validation": validation,
    "promotion": promotion,
    "retraining": retraining,
    "retirement": retirement,
}


COMMANDED = """
select stream, version, kind, data from log.event where meta ->> 'causation' like 'command-%' order by stream, version
"""


def as_schema_2(row: Row) -> Row:
    """The same fact as it is written today: `actor` is who asked, or missing; it was the message's source."""
    meta = {name: value for name, value in row["meta"].items() if name != "actor"} | {"schema": 2}
    return {**row, "meta": meta | ({"actor": "u-17"} if row["position"] % 2 else {})}


@asynccontextmanager
async def upgraded(stack: Addresses, **rows: Sequence[Row]) -> AsyncIterator[Log]:
    """The log of a database that was left by ea756c9 and set up again by this commit."""
    async with AsyncExitStack() as opened:
        url, owner = await opened.enter_async_context(empty_database(stack.postgres))
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


async def histories(log: Log, name: str) -> dict[str, Any]:
    """What a service that has just started knows of every stream."""
    handler = CommandHandler(log, name, DECIDERS[name])
    await handler._catch_up(MODELS)
    return dict(handler.histories)


async def commanded(log: Log) -> list[tuple[Any, ...]]:
    """The facts that new commands lead to, without their ids."""
    commands: list[tuple[str, Any]] = []
    for model in MODELS:
        report = trained("new run").model_copy(update={"model": model})
        commands.append(("ingestion", Register(report, digest(1), uri(1), 3, "pickle", ())))
        commands.append(("retirement", Retire(model, 1, "ada", "")))
        commands += [("promotion", Promote(model, n, "production", "ada", "", DEFAULT)) for n in range(1, 60)]
    handlers = {name: CommandHandler(log, name, decider) for name, decider in DECIDERS.items()}
    for n, (name, command) in enumerate(commands):
        await handlers[name].answer([CommandFromMessage(command, Message(trained(), f"command-{n}", "/tests"))])
    written = (
        "select stream, version, kind, data from log.event where meta ->> 'causation' like 'command-%' order by 1, 2"
    )
    return [tuple(row) for row in await log.pool.fetch(written)]


def test_the_dump_has_every_fact_and_a_snapshot_of_every_decider() -> None:
    assert {row["kind"] for row in EVENTS} == {record.topic for record in read_dump().records} & _facts()
    assert {row["decider"] for row in read_dump().rows["log.snapshot"]} == set(DECIDERS)
    assert {row["meta"]["schema"] for row in EVENTS} == {1}


async def test_the_copied_sql_is_what_was_applied(stack: Addresses) -> None:
    async with empty_database(stack.postgres) as (_, owner):
        await load_dump(owner)
        applied = await owner.fetch("select name, sha256 from modelog.migration order by name")
        assert [tuple(row) for row in applied] == [
            (row["name"], row["sha256"]) for row in read_dump().rows["modelog.migration"]
        ]


def test_every_old_fact_decodes_without_loss() -> None:
    for row in EVENTS:
        fact = BY_TYPE[row["kind"]].model_validate_json(json.dumps(row["data"]))
        assert covers(json.loads(fact.model_dump_json()), row["data"])


@pytest.mark.parametrize("name", DECIDERS)
async def test_facts_of_schema_1_fold_like_the_same_facts_of_schema_2(stack: Addresses, old: Log, name: str) -> None:
    async with upgraded(stack, event=[as_schema_2(row) for row in FINITE]) as rewritten:
        known = await histories(old, name)
        assert known == await histories(rewritten, name)
        assert [known[model].version for model in MODELS] == [
            row["version"] for row in sorted(read_dump().rows["log.stream"], key=lambda row: str(row["stream"]))
        ]


async def test_old_messages_that_come_again_change_nothing(old: Log) -> None:
    for name, decider in DECIDERS.items():
        answered = [row for row in EVENTS if row["meta"]["source"] == f"/modelog/{name}"]
        assert answered
        asked = [
            CommandFromMessage(
                Register(trained().model_copy(update={"model": row["stream"]}), digest(1), uri(1), 3, "pickle", ()),
                Message(trained(), row["meta"]["causation"], row["meta"]["actor"]),
            )
            for row in answered
        ]
        assert await CommandHandler(old, name, decider).answer(asked) == {}


async def test_old_snapshots_are_passed_over_with_equal_answers(stack: Addresses) -> None:
    snapshots = read_dump().rows["log.snapshot"]
    found = []
    for kept in (snapshots, [], [{**row, "told": "nonsense", "said": "\\x00"} for row in snapshots]):
        async with upgraded(stack, event=FINITE, snapshot=kept) as log:
            found.append(({name: await histories(log, name) for name in DECIDERS}, await commanded(log)))
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
            assert message.event == BY_TYPE[row["kind"]].model_validate_json(json.dumps(row["data"]))


async def test_old_parked_records_are_listed(stack: Addresses) -> None:
    settings = Settings.model_validate(
        {name.removeprefix("MODELOG_").lower(): value for name, value in stack.env.items()}
        | {"topic_prefix": f"old-{secrets.token_hex(4)}."}
    )
    await make_topics(settings)
    records = [record for record in read_dump().records if record.topic == PARKED]
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_servers) as producer:
        for record in records:
            topic = settings.topic_prefix + PARKED
            await producer.send_and_wait(topic, record.value, key=record.key, headers=record.headers)
    found = await parked(settings)
    assert {(one.key, one.value) for one in found} == {(one.key, one.value) for one in records}
    assert [one.key for one in found if one.cut] == [b"too large"]
    assert {(one.topic, one.service) for one in found} == {("dump.model.trained", "ingestion")}


def test_old_consumer_groups_are_those_of_todays_services() -> None:
    assert {group for group, _ in read_dump().offsets} == set(DECIDING)


def _facts() -> set[str]:
    return {name for name, event in BY_TYPE.items() if issubclass(event, Fact)}


def _old_views() -> set[str]:
    return {str(row["view"]) for row in read_dump().rows["registry.cursor"]}


async def _shown(pool: asyncpg.Pool, view: str) -> list[dict[str, Any]]:
    rows = await pool.fetch(f"select to_jsonb(v)::text from registry.{view} v order by v")
    return [json.loads(row) for (row,) in rows]
