"""A promotion of a model with many versions: decided warm, after a cold read of its stream, and from its snapshot."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import replace

import asyncpg
from modelog.envelope import Message
from modelog.events import ModelPromoted, ModelRegistered, ModelValidated, PromotionRequested
from modelog.policy import DEFAULT

from bench.clock import median
from bench.events import DIGEST, FILES, trained
from bench.loading import SNAPSHOT_KEY, copy
from bench.peer import folded
from bench.row import Row
from bench.runner import Bench
from services.promotion.decision import Candidates, Promote, promotion
from shared.deciding.command_handler import CommandHandler
from shared.domain.command import Cause, CausedCommand
from shared.domain.looking import BytesSeen, LookFirst
from shared.log import Log
from stack.disposable import Sandbox

COMMANDS = 2_000
REPEATS = 3
SIZE = "select pg_column_size(blocks) from log.state_snapshot where stream = $1"
STREAM = "select kind, data from log.event where stream = $1 order by version"


async def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    async with bench.sandbox() as sandbox:
        for versions in bench.scale.versions:
            bench.progress(f"decide: a model with {versions:,} versions")
            await copy(sandbox, _template(f"m{versions}", versions), 1)
            bench.progress("decide: an aggregate of eventsourcing with as many events")
            peer = await folded(sandbox, 3 * versions - 1)
            rows += await _measured(sandbox, f"m{versions}-1", versions, rows[0].ours if rows else None, peer)
    return rows


def _template(model: str, versions: int) -> list[tuple[str, int, str, str]]:
    """Every version registered, validated and promoted; the last version only validated."""
    manifest, uri = f"sha256:{DIGEST}", f"s3://modelog/manifests/sha256/{DIGEST}"
    run = trained(model, "run").model_dump(exclude={"artifact"})
    registered = ModelRegistered(
        **run, version=1, manifest=manifest, uri=uri, size=1024, format="joblib", files=FILES
    ).model_dump_json()
    validated = ModelValidated(model=model, version=1, findings=(), policy=DEFAULT.digest).model_dump_json()
    promoted = ModelPromoted(
        model=model, version=1, stage="production", by="policy", manifest=manifest, uri=uri, policy=DEFAULT.digest
    ).model_dump_json()
    rows: list[tuple[str, int, str, str]] = []
    dice = random.Random(1)
    for n in range(1, versions + 1):
        digest = dice.randbytes(32).hex()
        for fact, json in ((ModelRegistered, registered), (ModelValidated, validated), (ModelPromoted, promoted)):
            text = json.replace('"version":1,', f'"version":{n},').replace('"run":"run"', f'"run":"run-{n}"')
            text = text.replace(DIGEST, digest).replace('"auc":0.912', f'"auc":{dice.random()}')
            if n > 1:
                text = text.replace('"replaces":null', f'"replaces":{n - 1}')
            rows.append((model, len(rows) + 1, fact.type, text))
    return rows[:-1]


async def _measured(sandbox: Sandbox, model: str, versions: int, few: float | None, peer: float) -> list[Row]:
    """The first answer finds no snapshot, and writes it if the stream is long; later answers begin there."""
    async with await sandbox.service() as pool:
        log = Log(pool)
        folded, answering = await _answered(log, model, versions)
        if answering.writing_snapshot:
            await answering.writing_snapshot
        cold = [(await _answered(log, model, versions))[0] for _ in range(REPEATS)]
        floor = [await _fetched(pool, model) for _ in range(REPEATS)]
        size = await pool.fetchval(SIZE, model) or 0
    command = _question(model, versions).command
    history = answering.histories.get(model)
    assert history
    warm = median([_warm(history.state, command) for _ in range(REPEATS)])
    whole = f"{3 * versions - 1:,} facts read, folded, and a fact appended; floor: the same rows fetched"
    return [
        Row(
            f"decide, warm, {versions:,} versions",
            "µs",
            warm,
            few,
            few and 1.5 * few,
            note="decide and evolve; floor: the same with the fewest versions" if few else "decide and evolve",
        ),
        Row(
            f"answer, cold, {versions:,} versions",
            "ms",
            median(cold),
            median(floor),
            50,
            peer=peer,
            note=f"from a snapshot of {size / 1e6:.1f} MB; floor: all facts fetched" if size else whole,
        ),
        Row(f"answer, cold, no snapshot, {versions:,} versions", "ms", folded, median(floor), peer=peer, note=whole),
    ]


async def _answered(log: Log, model: str, version: int) -> tuple[float, CommandHandler[Candidates, Promote]]:
    """Milliseconds of the first answer of a process, and its handler."""
    answering, question = (
        CommandHandler(log, promotion, snapshot_key=SNAPSHOT_KEY),
        _question(model, version, stage="nowhere"),
    )
    began = time.perf_counter()
    await answering.answer([question])
    return (time.perf_counter() - began) * 1000, answering


async def _fetched(pool: asyncpg.Pool, model: str) -> float:
    began = time.perf_counter()
    await pool.fetch(STREAM, model)
    return (time.perf_counter() - began) * 1000


def _question(model: str, version: int, stage: str = "production") -> CausedCommand[Promote]:
    request = PromotionRequested(model=model, version=version, stage=stage, by="ada")
    message = Message(event=request, id=str(uuid.uuid4()), source="/bench")
    command = Promote(model, version, stage, request.by, request.reason, DEFAULT)
    return CausedCommand(command, Cause.of(message))


def _warm(state: Candidates, command: Promote) -> float:
    command = replace(command, seen=BytesSeen(state.versions[command.version].manifest))
    began = time.perf_counter()
    for _ in range(COMMANDS):
        facts = promotion.decide(state, command)
        assert not isinstance(facts, LookFirst)
        promotion.after(state, facts)
    assert not isinstance(facts, LookFirst)
    assert isinstance(facts[0], ModelPromoted)
    return (time.perf_counter() - began) / COMMANDS * 1e6
