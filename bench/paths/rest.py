"""Services that nobody asks anything: memory, processor, and seconds from their start until they are ready."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from subprocess import PIPE

import psutil

from bench.cores import Cores
from bench.place import Place
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from services import names

LIBRARIES = "import asyncpg, aiokafka, faststream.kafka, minio, modelog.events, pydantic_settings, structlog, uvloop"
POLL = 0.005


async def measure(bench: Bench) -> list[Row]:
    bare, seconds = await asyncio.to_thread(_bare)
    async with bench.place() as place:
        bench.say("rest: every service in one process")
        async with serving(place) as one:
            await asyncio.sleep(1)
            cores = Cores()
            await asyncio.sleep(bench.scale.rest_seconds)
            used, memory, ready = cores.used(), one.memory, one.seconds
        polled = await _polled(place, bench.scale.rest_seconds / 2)
        bench.say("rest: each service in a process of its own")
        async with AsyncExitStack() as stack:
            all_ = await asyncio.gather(*(stack.enter_async_context(serving(place, name)) for name in names()))
            await asyncio.sleep(1)
            each = {name: one.memory / 1e6 for name, one in zip(names(), all_, strict=True)}
            slowest = max(one.seconds for one in all_)
    told = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in each.items())
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
            note=f"{asleep}; floor: log.settled() asked every {POLL * 1000:.0f} ms",
        ),
        Row("at rest, one each, memory", "MB", sum(each.values()), bare * len(each), 600, note=f"MB: {told}"),
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


async def _polled(place: Place, seconds: float) -> float:
    """Cores that this process uses while it asks a quiet log for its end."""
    async with place.owner() as pool:
        cores, began = Cores(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            await pool.fetchval("select log.settled()")
            await asyncio.sleep(POLL)
        return cores.used()["bench"]
