"""Schema, topics and bucket: made where they are missing, left alone where they are there. Safe to repeat.

Run as `python -m operations setup` before the services, as who owns the database.
"""

from __future__ import annotations

import asyncio

import asyncpg
import stamina

from shared.artifacts.store import ArtifactStore
from shared.bus.topics import make_topics
from shared.log.migrations import migrate
from shared.runtime.errors import is_transient
from shared.runtime.settings import Settings, settings


async def setup(told: Settings) -> list[str]:
    """Make what is missing and return a sentence for each thing made; waits a minute for servers that are starting."""
    async for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=60, wait_max=2.0):
        with attempt:
            made = [f"created topic {name}" for name in await make_topics(told)]
            artifacts = ArtifactStore.of(told)
            await artifacts.make_bucket()
            artifacts.close()
            connection = await asyncpg.connect(told.postgres_url.get_secret_value())
    # The schema last: services wait for it, and find topics and bucket there.
    try:
        return made + [f"applied {name}" for name in await migrate(connection)]
    finally:
        await connection.close()


def main() -> None:
    """Set up what the environment names, and say what was made."""
    for sentence in asyncio.run(setup(settings())):
        print(sentence)
