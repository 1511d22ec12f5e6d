"""Reports that wait on their topic, answered in the log."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from modelog.events import BY_TYPE, DriftRecorded, Event, RetrainingDeclined
from modelog.values import Artifact

from bench.clock import Curve, drawn
from bench.cores import each
from bench.events import drifted, trained
from bench.kafka import batches, consuming, producing, records, send_all
from bench.loading import META, copy, logged, told
from bench.paths.append import MANY
from bench.place import Place
from bench.row import Row
from bench.runner import Bench
from bench.services import serving

NAMES = [f"model-{n}" for n in range(400)]
MODELS = [f"{name}-1" for name in NAMES]
"""As `copy` calls the first copy of them."""
DECLINED = RetrainingDeclined(
    model="model-0", version=1, reasons=("one is open",), sentence=f"retraining {uuid.UUID(int=7)} is not answered yet"
)
AIM, NEXT = 3_000, 10_000


async def measure(bench: Bench) -> list[Row]:
    return [await _drift(bench), await _trained(bench)]


async def _drift(bench: Bench) -> Row:
    """Each report is recorded and, but for the first of a model, declined: one request is open."""
    count = bench.scale.drift_reports
    events = [drifted(MODELS[n % len(MODELS)], score=0.2 + n % 100 / 100) for n in range(1, count + 1)]
    async with bench.place() as place:
        await copy(place, list(told(NAMES, 3)), 1)
        return await _row(bench, place, "drift.detected", "retraining", events, [DriftRecorded, RetrainingDeclined])


async def _trained(bench: Bench) -> Row:
    """Each run brings the same bytes, so that it is the service that is measured and not the store."""
    count = bench.scale.trained_reports
    async with bench.place() as place:
        artifact = await asyncio.to_thread(uploaded, place)
        events = [trained(MODELS[n % len(MODELS)], f"run-{n}", artifact) for n in range(count)]
        return await _row(bench, place, "model.trained", "ingestion", events, [type(events[0])])


def uploaded(place: Place) -> Artifact:
    """A small pickle in the store."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.pkl")
        file.write_bytes(b"\x80\x04N.")
        return place.settings.store().upload(file)


async def _row(
    bench: Bench, place: Place, topic: str, service: str, events: Sequence[Event], answers: Sequence[type[Event]]
) -> Row:
    async with producing(place) as producer:
        sending = records(place, events)
        rate = await send_all(producer, sending)
    bench.say(f"reports: {len(events):,} {topic} are on the topic, sent at {rate:,.0f}/s")
    floor = await _floor(place, topic, len(events), answers)
    bench.say(f"reports: bare drivers answer {floor:,.0f}/s; now the {service} service")
    async with place.owner() as pool:
        before = await logged(pool)
        last = before + len(events) * len(answers)
        drawing = asyncio.create_task(drawn(lambda: logged(pool), last, since=before))
        async with serving(place, service):
            curve = await drawing
    ours = curve.speed / len(answers)
    note = f"{curve.speed:,.0f} facts/s; {each(curve.used, ours)}; floor: consume, validate, insert by unnest"
    detail = {"facts/s": curve.speed, "reports": len(events), "produced/s": rate, "cores": curve.used}
    return Row(f"{topic} logged", "reports/s", ours, floor, AIM, NEXT, note, detail)


async def _floor(place: Place, topic: str, count: int, answers: Sequence[type[Event]]) -> float:
    """Reports a second: consumed in batches, validated, and as many rows inserted as there are answers."""
    curve, seen, event = Curve(), 0, BY_TYPE[topic]
    declined = DECLINED.model_dump_json()
    async with consuming(place, topic) as consumer, place.owner() as pool:
        async for batch in batches(consumer, count):
            streams, kinds, data = [], [], []
            for record in batch:
                report = event.model_validate_json(record.value)
                for answer in answers:
                    streams.append(report.model)
                    kinds.append(answer.type)
                    data.append(declined if answer is RetrainingDeclined else record.value.decode())
            ids = [uuid.uuid4() for _ in streams]
            await pool.execute(MANY, streams, [1] * len(ids), kinds, ids, data, [META] * len(ids))
            seen += len(batch)
            curve.seen.append((time.perf_counter(), seen))
    return curve.speed
