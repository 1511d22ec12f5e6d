"""Whether a registry goes on under load: each service adds to the log, or moves its position in it."""

from __future__ import annotations

import asyncio

import asyncpg

from stack.waiting import until
from tests.e2e.installation import EVERY_SERVICE, Installation

KINDS = ("model.registered", "model.promoted", "drift.recorded")
"""Facts of every kind of message, of which each needs Kafka, Postgres and most services."""
PROGRESS = """
select (select count(*) from log.event where meta ->> 'source' = '/modelog/' || $1)
     + coalesce((select position from log.cursor where follower = $1), 0)
     + case when $1 = 'views' then (select min(position) from registry.cursor) else 0 end
     + case when $1 = 'parked' then 5 * (select count(*) from log.parked) else 0 end
"""
"""How far a service has come: the facts that it has decided, its position in the log, or what it has kept."""
STEPS = 5


async def goes_on(installation: Installation, name: str, seconds: float = 120.0) -> None:
    """Wait, under load, until some process does the work of this service; for another name, the work of every kind."""
    if name not in EVERY_SERVICE or not (before := await _progress(installation, name)):
        await asyncio.gather(*(installation.grows(kind, STEPS, seconds) for kind in KINDS))
        return

    async def more() -> bool:
        return await _progress(installation, name) >= before + STEPS

    not_yet = (OSError, asyncpg.PostgresError)
    await until(more, f"{name} at work ({installation.logs})", seconds=seconds, every=0.2, not_yet=not_yet)


async def _progress(installation: Installation, name: str) -> int:
    return int((await installation.rows(PROGRESS, name))[0][0])
