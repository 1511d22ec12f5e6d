"""Reports that wait on their topic, answered in the log."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from modelog.events import BY_TYPE, DriftDetected, DriftRecorded, Event, ModelTrained, RetrainingDeclined
from modelog.values import Artifact

from bench.clock import Curve, drawn
from bench.cores import each
from bench.events import drifted, trained
from bench.kafka import batches, consuming, producing, records, send_all
from bench.loading import META, copy, logged, rows
from bench.paths.append import INSERT_MANY
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from stack.disposable import Sandbox

NAMES = [f"model-{n}" for n in range(400)]
MODELS = [f"{name}-1" for name in NAMES]
"""As `copy` calls the first copy of them."""
DECLINED = RetrainingDeclined(
    model="model-0", version=1, reasons=("one is open",), sentence=f"retraining {uuid.UUID(int=7)} is not answered yet"
)
TOPICS = {"retraining": "drift.detected", "ingestion": "model.trained"}
AIM_REPORTS_PER_SECOND, OR_SHARE_OF_FLOOR = 10_000, 0.5
STRETCH_SECONDS = 10
"""Seconds of a stretch; the slowest stretch is the sustained rate."""


async def measure(bench: Bench) -> list[Row]:
    return [await _drift(bench), await _trained(bench)]


async def _drift(bench: Bench) -> Row:
    """Each report is recorded and, except the first of a model, declined: a request is open."""
    async with bench.sandbox() as sandbox:
        await copy(sandbox, list(rows(NAMES, 3)), 1)
        count = bench.scale.drift_reports
        return await _row(bench, sandbox, "retraining", count, monitored(count), [DriftRecorded, RetrainingDeclined])


async def _trained(bench: Bench) -> Row:
    """Each run has the same bytes, so that the service is measured and not the store."""
    async with bench.sandbox() as sandbox:
        artifact = await asyncio.to_thread(uploaded, sandbox)
        count = bench.scale.trained_reports
        runs = (trained(MODELS[n % len(MODELS)], f"run-{n}", artifact) for n in range(count))
        return await _row(bench, sandbox, "ingestion", count, runs, [ModelTrained])


def monitored(count: int) -> Iterator[DriftDetected]:
    """`count` reports of drift, of every model in turn. They differ by the ids that they are sent with."""
    return islice(cycle([drifted(model, score=0.2 + n % 100 / 100) for n, model in enumerate(MODELS, 1)]), count)


def uploaded(sandbox: Sandbox) -> Artifact:
    """A small pickle in the store."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.pkl")
        file.write_bytes(b"\x80\x04N.")
        return sandbox.settings.store().upload(file)


async def _row(
    bench: Bench, sandbox: Sandbox, service: str, count: int, events: Iterator[Event], answers: Sequence[type[Event]]
) -> Row:
    topic, first = TOPICS[service], min(count, bench.scale.floor_reports)
    async with producing(sandbox) as producer:
        rate = await send_all(producer, records(sandbox, events))
    bench.progress(f"reports: {count:,} {topic} are on the topic, sent at {rate:,.0f}/s")
    floor = await _floor(sandbox, topic, first, answers)
    bench.progress(f"reports: bare drivers answer {floor:,.0f}/s; now the {service} service")
    async with sandbox.owner() as pool:
        before = await logged(pool)
        last = before + count * len(answers)
        drawing = asyncio.create_task(drawn(lambda: logged(pool), last, since=before))
        async with serving(sandbox, service):
            curve = await drawing
    ours, slowest = curve.speed / len(answers), curve.slowest(STRETCH_SECONDS) / len(answers)
    seconds = count / ours
    sustained = f", the slowest {STRETCH_SECONDS} s at {slowest:,.0f}/s" if seconds > 2 * STRETCH_SECONDS else ""
    note = (
        f"{count:,} in {seconds:.0f} s{sustained}; {curve.speed:,.0f} facts/s; {each(curve.used, ours)}; "
        f"floor, over the first {first:,}: consume, validate, insert by unnest"
    )
    detail = {"facts/s": curve.speed, "slowest": slowest, "reports": count, "produced/s": rate, "cores": curve.used}
    return Row(
        f"{topic} logged",
        "reports/s",
        ours,
        floor,
        AIM_REPORTS_PER_SECOND,
        or_floor=OR_SHARE_OF_FLOOR,
        note=note,
        detail=detail,
    )


async def _floor(sandbox: Sandbox, topic: str, count: int, answers: Sequence[type[Event]]) -> float:
    """Reports a second: consumed in batches, validated, and as many rows inserted as there are answers."""
    curve, seen, event = Curve(), 0, BY_TYPE[topic]
    declined = DECLINED.model_dump_json()
    async with consuming(sandbox, topic) as consumer, sandbox.owner() as pool:
        async for batch in batches(consumer, count):
            streams, kinds, data = [], [], []
            for record in batch:
                report = event.model_validate_json(record.value)
                for answer in answers:
                    streams.append(report.model)
                    kinds.append(answer.type)
                    data.append(declined if answer is RetrainingDeclined else record.value.decode())
            ids = [uuid.uuid4() for _ in streams]
            await pool.execute(INSERT_MANY, streams, [1] * len(ids), kinds, ids, data, [META] * len(ids))
            seen += len(batch)
            curve.seen.append((time.perf_counter(), seen))
    return curve.speed
