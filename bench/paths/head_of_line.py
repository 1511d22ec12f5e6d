"""Runs of other models while a large artifact is read, junk is parked, or reports of missing files are refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import RecordMetadata
from modelog import Registry
from modelog.values import Artifact, File

from bench.clock import percentile
from bench.events import trained
from bench.hops import Received
from bench.kafka import Sent, producing, records
from bench.looping import looped, open_registry, receiving, runs_of_each
from bench.paths.reports import uploaded
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from stack.disposable import Sandbox

SERVICES = ("ingestion", "validation", "promotion", "relay")
RUNS_PER_SECOND = 50
ALONE_SECONDS = 10
RUNS_IN_STEP = 50
"""Runs are published in steps of a second, until the disturbance is over."""
MAX_STEPS = 120
AIM_TIMES_ALONE = 2.0
MISSING_FILES = 9_200
REPORTS_PER_SECOND = 2
MIB = 1024 * 1024

Send = Callable[[], Awaitable[Sequence[RecordMetadata]]]
"""Sends the records that disturb, and returns where they are."""
Prepare = Callable[[Bench, Sandbox], AbstractAsyncContextManager[Send]]
"""Does what must not count: uploads, and what the bench itself needs the processor for."""


async def measure(bench: Bench) -> list[Row]:
    """p99 during each disturbance, beside p99 alone just before it, in the same process."""
    disturbances: dict[str, Prepare] = {
        f"a {bench.scale.large_mib / 1024:.1f} GiB artifact": _large,
        f"{bench.scale.junk_records:,} junk records": _junk,
        f"{bench.scale.faulty_reports} reports of {MISSING_FILES:,} missing files": _faulty,
    }
    rows: list[Row] = []
    for name, prepare in disturbances.items():
        bench.progress(f"head of line: {name}")
        async with bench.sandbox() as sandbox:
            artifact = await asyncio.to_thread(uploaded, sandbox)
            async with serving(sandbox, *SERVICES), open_registry(sandbox) as registry, receiving(registry) as received:
                await _steps(registry, received, artifact, "warm", 2)
                alone = await _steps(registry, received, artifact, "alone", ALONE_SECONDS)
                async with prepare(bench, sandbox) as send:
                    disturbing = asyncio.create_task(_until_answered(sandbox, send))
                    beside = await _steps(registry, received, artifact, "beside", MAX_STEPS, disturbing)
                    seconds = await disturbing
        note = f"{len(beside):,} runs at {RUNS_PER_SECOND}/s in the {seconds:.1f} s that it took; floor: alone"
        p99, floor = percentile(beside, 0.99), percentile(alone, 0.99)
        rows.append(Row(f"trained → promoted beside {name}, p99", "ms", p99, floor, AIM_TIMES_ALONE * floor, note=note))
    return rows


async def _steps(
    registry: Registry,
    received: Received,
    artifact: Artifact,
    tag: str,
    most: int,
    disturbing: asyncio.Task[float] | None = None,
) -> list[float]:
    """Milliseconds of runs of a model each, a step a second; those of steps that began during the disturbance."""
    times: list[float] = []
    for step in range(most):
        if disturbing is not None and disturbing.done():
            break
        runs = runs_of_each(f"{tag}-{step}", RUNS_IN_STEP, artifact)
        sent, answers = await looped(registry, received, runs, RUNS_PER_SECOND)
        began = {model: at for (model, _), (at, _) in sent.items()}
        times += [
            (at - began[message.event.model]) * 1000 for at, _, message in answers if message.event.model in began
        ]
    return times


async def _until_answered(sandbox: Sandbox, send: Send) -> float:
    """The seconds from the first record until the offsets behind all of them are committed."""
    began = time.perf_counter()
    last: dict[TopicPartition, int] = {}
    for sent in await send():
        place = TopicPartition(sent.topic, sent.partition)
        last[place] = max(last.get(place, 0), sent.offset)
    admin = AIOKafkaAdminClient(bootstrap_servers=sandbox.settings.kafka_servers)
    await admin.start()
    try:
        while True:
            found = await admin.list_consumer_group_offsets(f"{sandbox.settings.topic_prefix}ingestion")
            if all(place in found and found[place].offset > offset for place, offset in last.items()):
                return time.perf_counter() - began
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


@asynccontextmanager
async def _large(bench: Bench, sandbox: Sandbox) -> AsyncIterator[Send]:
    artifact = await asyncio.to_thread(_uploaded_large, sandbox, bench.scale.large_mib)
    sending = _encoded(sandbox, [artifact])
    yield lambda: _reported(sandbox, sending, 0)


def _uploaded_large(sandbox: Sandbox, mib: int) -> Artifact:
    """A file of zeros behind a pickle; its blocks take no disk before they are sent."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "large.pkl")
        file.write_bytes(b"\x80\x04N.")
        with file.open("rb+") as data:
            data.truncate(mib * MIB)
        return sandbox.settings.store().upload(file)


@asynccontextmanager
async def _junk(bench: Bench, sandbox: Sandbox) -> AsyncIterator[Send]:
    """A transaction, so that all of it comes at once, and its sender uses no processor meanwhile."""
    topic = f"{sandbox.settings.topic_prefix}model.trained"
    async with AIOKafkaProducer(bootstrap_servers=sandbox.settings.kafka_servers, transactional_id=topic) as producer:
        await producer.begin_transaction()
        waiting = [await producer.send(topic, b"?", key=b"%d" % n) for n in range(bench.scale.junk_records)]
        sent = list(await asyncio.gather(*waiting))

        async def send() -> list[RecordMetadata]:
            await producer.commit_transaction()
            return sent

        yield send


@asynccontextmanager
async def _faulty(bench: Bench, sandbox: Sandbox) -> AsyncIterator[Send]:
    """Reports at a steady rate, each of other files that are not there."""
    artifacts = [
        Artifact(
            files=tuple(
                File(path=f"{n}/{f}", size=4, sha256=f"{n * MISSING_FILES + f:064x}") for f in range(MISSING_FILES)
            )
        )
        for n in range(bench.scale.faulty_reports)
    ]
    sending = _encoded(sandbox, artifacts)
    yield lambda: _reported(sandbox, sending, 1 / REPORTS_PER_SECOND)


def _encoded(sandbox: Sandbox, artifacts: Sequence[Artifact]) -> list[Sent]:
    """A report of each of these artifacts as a run of another model."""
    return list(records(sandbox, (trained(f"disturbing-{n}", "run", found) for n, found in enumerate(artifacts))))


async def _reported(sandbox: Sandbox, sending: Sequence[Sent], pause_seconds: float) -> list[RecordMetadata]:
    sent: list[RecordMetadata] = []
    async with producing(sandbox) as producer:
        for topic, key, value, headers in sending:
            sent.append(await producer.send_and_wait(topic, value, key=key, headers=headers))
            await asyncio.sleep(pause_seconds)
    return sent
