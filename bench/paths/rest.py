"""Services without work: memory, processor, and seconds from their start until they are ready."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from subprocess import PIPE

import psutil

from bench.cores import Cores
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from services import names
from stack.disposable import Sandbox

LIBRARIES = "import asyncpg, aiokafka, faststream.kafka, minio, modelog.events, structlog, uvloop"
POLL_SECONDS = 0.005


async def measure(bench: Bench) -> list[Row]:
    bare, seconds = await asyncio.to_thread(_bare)
    async with bench.sandbox() as sandbox:
        bench.progress("rest: every service in a single process")
        async with serving(sandbox) as process:
            await asyncio.sleep(1)
            cores = Cores()
            await asyncio.sleep(bench.scale.rest_seconds)
            used, memory, ready = cores.used(), process.memory, process.seconds
        polled = await _polled(sandbox, bench.scale.rest_seconds / 2)
        bench.progress("rest: each service in a process of its own")
        async with AsyncExitStack() as ends:
            processes = await asyncio.gather(*(ends.enter_async_context(serving(sandbox, name)) for name in names()))
            await asyncio.sleep(1)
            each = {name: process.memory / 1e6 for name, process in zip(names(), processes, strict=True)}
            slowest = max(process.seconds for process in processes)
    megabytes_each = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in each.items())
    asleep = (
        f"Postgres {used.get('Postgres', 0) * 100:.0f} %, Kafka {used.get('Kafka', 0) * 100:.0f} % of a core beside it"
    )
    return [
        Row(
            "at rest, one process, memory",
            "MB",
            memory / 1e6,
            bare,
            250,
            note="floor: the libraries imported, nothing else",
        ),
        Row("at rest, one process, start to ready", "s", ready, seconds, aim=2),
        Row(
            "at rest, one process, processor",
            "% of a core",
            used.get("services", 0) * 100,
            polled * 100,
            note=f"{asleep}; floor: log.settled() asked every {POLL_SECONDS * 1000:.0f} ms",
        ),
        Row("at rest, one each, memory", "MB", sum(each.values()), bare * len(each), 600, note=f"MB: {megabytes_each}"),
        Row("at rest, one each, start to ready", "s", slowest, seconds, note=f"all {len(each)} at once"),
    ]


def _bare() -> tuple[float, float]:
    """Megabytes and seconds of a process that imports what every service imports."""
    code = f"{LIBRARIES}; print(flush=True); import sys; sys.stdin.read()"
    began = time.perf_counter()
    with psutil.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as process:
        process.stdout.readline()
        seconds = time.perf_counter() - began
        return process.memory_info().rss / 1e6, seconds


async def _polled(sandbox: Sandbox, seconds: float) -> float:
    """Cores that this process uses while it polls the end of an idle log."""
    async with sandbox.owner() as pool:
        cores, began = Cores(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            await pool.fetchval("select log.settled()")
            await asyncio.sleep(POLL_SECONDS)
        return cores.used()["bench"]
