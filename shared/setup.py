"""Schema, topics and bucket: made where they are missing, left alone where they are there. Safe to repeat.

Run as `python -m shared.setup` before the services, as who owns the database.
"""

from __future__ import annotations

import asyncio

import asyncpg
import stamina

from shared.artifacts import Artifacts
from shared.faults import passing
from shared.log.migrations import migrate
from shared.settings import Settings, settings
from shared.topics import make_topics


async def setup(told: Settings) -> list[str]:
    """Make what is missing and return a sentence for each thing made; waits a minute for servers that are starting."""
    async for attempt in stamina.retry_context(on=passing, attempts=None, timeout=60, wait_max=2.0):
        with attempt:
            made = [f"created topic {name}" for name in await make_topics(told)]
            async with Artifacts(told.store()) as artifacts:
                await artifacts.make_bucket()
            connection = await asyncpg.connect(told.postgres_url.get_secret_value())
    # The schema last: services wait for it, and find topics and bucket there.
    try:
        return made + [f"applied {name}" for name in await migrate(connection)]
    finally:
        await connection.close()


if __name__ == "__main__":
    for sentence in asyncio.run(setup(settings())):
        print(sentence)
