"""A backlog of facts, published on Kafka."""

from __future__ import annotations

import asyncio

import asyncpg

from bench.clock import drawn
from bench.cores import each
from bench.kafka import Sent, producing, send_all
from bench.loading import load, logged
from bench.row import Row
from bench.runner import Bench
from bench.services import serving
from stack.disposable import Sandbox

CURSOR = "select coalesce((select position from log.cursor where follower = 'relay'), 0)"
AIM_FACTS_PER_SECOND = 30_000
VALUES = "select stream, kind, data from log.event where position <= $1 order by position"


async def measure(bench: Bench) -> list[Row]:
    async with bench.sandbox() as sandbox, sandbox.owner() as pool:
        await load(sandbox, bench.scale.relay_facts)
        last = await logged(pool)
        bench.progress(f"relay: {last:,} facts wait to be published")
        drawing = asyncio.create_task(drawn(lambda: _cursor(pool), last))
        async with serving(sandbox, "relay"):
            curve = await drawing
        sending = await _values(sandbox, pool, min(last, 50_000))
        async with producing(sandbox) as producer:
            await send_all(producer, sending[:2_000])
            floor = await send_all(producer, sending)
    note = f"{each(curve.used, curve.speed)}; floor: aiokafka sends the same keys and values, without headers"
    return [
        Row(
            "relay, standing backlog",
            "facts/s",
            curve.speed,
            floor,
            AIM_FACTS_PER_SECOND,
            note=note,
            detail={"facts": last},
        )
    ]


async def _cursor(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval(CURSOR))


async def _values(sandbox: Sandbox, pool: asyncpg.Pool, upto: int) -> list[Sent]:
    prefix = sandbox.settings.topic_prefix
    rows = await pool.fetch(VALUES, upto)
    return [(prefix + kind, stream.encode(), data.encode(), []) for stream, kind, data in rows]
