"""Snapshots on the real log: they save reading, and change no answer."""

import asyncio
import math
import uuid
from typing import Any

import asyncpg
import pytest
from modelog.policy import DEFAULT

from services.ingestion.decision import registration
from services.promotion.decision import Promote, promotion
from services.validation.decision import Judge, validation
from shared.deciding import snapshots
from shared.deciding.command_handler import CommandHandler
from shared.deciding.history import History as StreamHistory
from shared.deciding.snapshots import Snapshots
from shared.domain.looking import BytesSeen
from shared.log import Append, Log, Reader
from tests.appends import entry, numbered
from tests.examples import digest, registered
from tests.histories import DECIDERS, FINITE_MIX, History
from tests.integration.test_command_handler import ask, register
from tests.looking import answer_all

SNAPSHOT_FACTS = 30
KEY = b"a key that is not in the log"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot each thirty facts, however large the state is: a test need not write thousands."""
    monkeypatch.setattr(snapshots, "SNAPSHOT_FACTS", SNAPSHOT_FACTS)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_PER_FACT", 10**9)


async def kept(log: Log, name: str) -> int | None:
    version: int | None = await log.pool.fetchval(
        "select max(version) from log.state_snapshot where decider = $1", name
    )
    return version


def history(service: CommandHandler[Any, Any]) -> StreamHistory[Any]:
    found = service.histories.get("fraud")
    assert found
    return found


async def read(log: Log, snaps: Snapshots[Any]) -> StreamHistory[Any] | None:
    """The stored history of the stream, if there is one that the log confirms."""
    reader = Reader(snaps.name, snaps.fold, "/test", [])
    rows = await log.catch_up(reader, {"fraud": StreamHistory(None)}, [], 10**9)
    return next((snaps.opened(row) for row in rows if row["what"] == "snapshot"), None)


async def answer(answering: CommandHandler[Any, Any], *asked: Any) -> None:
    await answer_all(answering, asked)
    if answering.writing_snapshot:
        await answering.writing_snapshot


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: type(decider.initial).__name__)
async def test_a_history_is_read_as_it_was_kept(log: Log, decider: Any) -> None:
    snaps, known = Snapshots(log.pool, decider, KEY), StreamHistory(decider.initial)
    facts = History("fraud", mix=FINITE_MIX).grow(1_500)
    for n in range(0, len(facts), 500):
        entries = [entry("fraud") for _ in range(500)]
        head = (await log.append([Append("fraud", n, entries)]))["fraud"]
        state = decider.after(known.state, facts[n : n + 500])
        known = snaps.sealed(StreamHistory(state, head.version, head.position, entries[-1].id, head.version))
        await snaps.write("fraud", known)
    assert await read(log, snaps) == known
    assert known.state == decider.after(decider.initial, facts)


async def test_a_cold_answer_begins_at_the_snapshot(log: Log) -> None:
    warm = CommandHandler(log, registration, snapshot_key=KEY)
    await answer(warm, *(register(f"run-{n}") for n in range(SNAPSHOT_FACTS)))
    await answer(warm, register("another"))
    assert await kept(log, "ingestion") == SNAPSHOT_FACTS
    cold = CommandHandler(log, registration, snapshot_key=KEY)
    await answer(cold, register("and another"))
    assert history(cold).snapshot_version == SNAPSHOT_FACTS
    assert history(cold).version == SNAPSHOT_FACTS + 2
    assert history(cold).state.latest == SNAPSHOT_FACTS + 2


async def test_what_was_answered_before_the_snapshot_is_not_answered_again(log: Log) -> None:
    asked = [register(f"run-{n}") for n in range(SNAPSHOT_FACTS)]
    await answer(CommandHandler(log, registration, snapshot_key=KEY), *asked)
    await answer(CommandHandler(log, registration, snapshot_key=KEY), *asked)
    assert await log.pool.fetchval("select version from log.stream") == SNAPSHOT_FACTS


async def test_a_snapshot_of_another_fold_is_passed_over_and_replaced(log: Log) -> None:
    asked = [register(f"run-{n}") for n in range(2 * SNAPSHOT_FACTS)]
    await answer(CommandHandler(log, registration, snapshot_key=KEY), *asked[:SNAPSHOT_FACTS])
    await log.pool.execute("""update log.state_snapshot set fold = 'older code', state = '"what it wrote"'""")
    cold = CommandHandler(log, registration, snapshot_key=KEY)
    await answer(cold, *asked)
    assert len(history(cold).state.registered) == 2 * SNAPSHOT_FACTS
    assert await log.pool.fetchval("select fold from log.state_snapshot") == cold.snapshots.fold


async def test_an_older_history_does_not_replace_a_later_snapshot(log: Log) -> None:
    snaps = Snapshots(log.pool, registration, KEY)
    for version in (9, 5):
        await snaps.write("fraud", StreamHistory(registration.initial, version))
    assert await kept(log, "ingestion") == 9


async def test_the_fold_is_another_where_the_decider_is(log: Log) -> None:
    assert Snapshots(log.pool, promotion, KEY).fold != Snapshots(log.pool, validation, KEY).fold


async def test_a_metric_that_is_no_number_is_kept(log: Log) -> None:
    snaps = Snapshots(log.pool, promotion, KEY)
    state = promotion.after(promotion.initial, [registered(1, metrics={"f1": math.nan, "auc": math.inf})])
    await log.append([numbered("fraud", 0, 7)])
    await snaps.write("fraud", snaps.sealed(StreamHistory(state, 1, 1, uuid.UUID(int=7))))
    found = await read(log, snaps)
    assert found
    metrics = found.state.versions[1].metrics
    assert math.isnan(metrics["f1"])
    assert metrics["auc"] == math.inf


async def test_answers_go_on_where_no_snapshot_can_be_written(log: Log, database: str) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute("revoke insert on log.state_snapshot from modelog_service")
    await owner.close()
    warm = CommandHandler(log, registration, snapshot_key=KEY)
    for n in range(3 * SNAPSHOT_FACTS):
        await answer(warm, register(f"run-{n}"))
    assert await log.pool.fetchval("select version from log.stream") == 3 * SNAPSHOT_FACTS
    assert await kept(log, "ingestion") is None


async def test_three_services_go_on_from_snapshots_as_from_the_log(log: Log) -> None:
    """Whether each answer is taken by a process that has just begun makes no difference to the log."""
    logs = []
    for model, fresh in (("warm", False), ("cold", True)):
        services: dict[str, CommandHandler[Any, Any]] = {}

        async def command(name: str, decider: Any, asked: Any, fresh: bool = fresh, services: Any = services) -> None:
            if fresh or name not in services:
                services[name] = CommandHandler(log, decider, snapshot_key=KEY)
            await answer(services[name], asked)

        for n in range(1, 41):
            await command("ingestion", registration, register(f"run-{n}", model))
            await command("validation", validation, ask(f"{model} {n}", Judge(model, n, BytesSeen(digest(1)), DEFAULT)))
            promote = Promote(model, n, "production", "ada", "", DEFAULT)
            await command("promotion", promotion, ask(f"{model} {n}", promote))
        rows = await log.pool.fetch(
            "select version, kind, data - 'model' as data from log.event where stream = $1 order by version", model
        )
        logs.append([tuple(row) for row in rows])
    assert await kept(log, "promotion")
    assert logs[0] == logs[1]


async def test_snapshots_are_written_beside_the_answers(log: Log) -> None:
    warm = CommandHandler(log, registration, snapshot_key=KEY)
    await asyncio.gather(
        *(warm.answer([register(f"run-{n}", f"model-{m}") for n in range(SNAPSHOT_FACTS)]) for m in range(5))
    )
    while warm.writing_snapshot:
        await warm.writing_snapshot
    assert await kept(log, "ingestion") == SNAPSHOT_FACTS
