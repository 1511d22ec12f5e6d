"""A snapshot that somebody wrote without the key is not believed, and is replaced."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.ingestion.decision import registration
from shared.deciding import catching_up, snapshots
from shared.deciding.command_handler import CommandHandler
from shared.deciding.history import History
from shared.deciding.snapshots import Snapshots
from shared.log import Log, Reader
from tests.integration.test_command_handler import register

KEY = b"a key that is not in the log"
FACTS = 30
FORGERIES = {
    "another state": "update log.state_snapshot set state = jsonb_set(state, '{plain,latest}', '7')",
    "other blocks": "update log.state_snapshot set blocks = array['x'::bytea]",
    "no mac": "update log.state_snapshot set mac = null",
    "another mac": "update log.state_snapshot set mac = sha256('x')",
    "an earlier version": """
        update log.state_snapshot s set version = e.version, state = s.state || jsonb_build_object(
               'position', e.position, 'id', e.id)
          from log.event e where e.version = 10""",
    "the state of another model": """
        insert into log.state_snapshot (stream, decider, fold, version, state, answered, blocks, mac)
        select 'churn', decider, fold, version, state, answered, blocks, mac from log.state_snapshot
         where stream = 'fraud'
        on conflict (stream, decider) do update set (version, state, blocks, mac)
           = (excluded.version, excluded.state, excluded.blocks, excluded.mac)""",
    "the snapshot of another decider": "update log.state_snapshot set decider = 'another'",
    "a version that the log does not have": "update log.state_snapshot set version = 1000000",
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_FACTS", FACTS)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_PER_FACT", 10**9)


def handler(log: Log, key: bytes | None = KEY) -> CommandHandler[Any, Any]:
    return CommandHandler(log, registration, snapshot_key=key)


async def answer(answering: CommandHandler[Any, Any], *runs: str) -> Any:
    await answering.answer([register(run, model) for run in runs for model in ("fraud", "churn")])
    if answering.writing_snapshot:
        await answering.writing_snapshot
    histories = [answering.histories.get(model) for model in ("fraud", "churn")]
    return [(history.version, history.state) for history in histories if history]


async def believed(log: Log) -> list[int]:
    """The version at which a process that has just started finds each model, before it reads facts."""
    snaps = Snapshots(log.pool, registration, KEY)
    reader, nothing = Reader(snaps.name, snaps.fold, "/test", []), History(registration.initial)
    rows = await log.catch_up(reader, {"fraud": nothing, "churn": nothing}, [], 10**9)
    found = [snaps.opened(row) for row in rows if row["what"] == "snapshot"]
    return [history.version for history in found if history]


@pytest.mark.parametrize("page_bytes", [catching_up.MAX_PAGE_BYTES, 2_000], ids=["in a page", "in many pages"])
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_snapshot_changes_no_answer_and_is_replaced(
    log: Log, monkeypatch: pytest.MonkeyPatch, forgery: str, page_bytes: int
) -> None:
    monkeypatch.setattr(catching_up, "MAX_PAGE_BYTES", page_bytes)
    await answer(handler(log), "a run that was registered", *(f"run-{n}" for n in range(FACTS - 1)))
    await log.pool.execute(forgery)
    started, unaware = handler(log), handler(log, key=None)
    assert await answer(started, "one more") == await answer(unaware, "one more")
    [_, (version, state)] = await answer(handler(log), *(f"later {n}" for n in range(FACTS)))
    assert (version, state.latest) == (2 * FACTS + 1, 2 * FACTS + 1)
    assert await believed(log) == [2 * FACTS + 1] * 2, "it was not replaced"


def refused() -> float | None:
    return REGISTRY.get_sample_value("modelog_snapshots_refused_total", {"decider": registration.name})


async def test_a_forged_snapshot_is_logged_and_counted(log: Log) -> None:
    await answer(handler(log), *(f"run-{n}" for n in range(FACTS)))
    before = refused()
    assert before is not None, "an alert would not see the first"
    await log.pool.execute(FORGERIES["another state"])
    with capture_logs() as lines:
        await answer(handler(log), "one more")
    assert {"somebody else wrote this snapshot"} == {line["event"] for line in lines}
    assert refused() == before + len(lines)


async def test_a_snapshot_of_a_process_with_another_key_is_not_believed(log: Log) -> None:
    await answer(handler(log, b"another key"), *(f"run-{n}" for n in range(FACTS)))
    assert await believed(log) == []


async def test_without_a_key_no_snapshot_is_written_or_read(log: Log) -> None:
    await answer(handler(log, None), *(f"run-{n}" for n in range(FACTS)))
    assert await log.pool.fetchval("select count(*) from log.state_snapshot") == 0
    await answer(handler(log), "one more")
    assert await log.pool.fetchval("select count(*) from log.state_snapshot") == 2
    await log.pool.execute("update log.state_snapshot set blocks = '{}', state = '{}'")
    assert [version for version, _ in await answer(handler(log, None), "another")] == [FACTS + 2] * 2
