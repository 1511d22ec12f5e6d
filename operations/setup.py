"""Create schema, topics and bucket where they are missing, check the topics, and upgrade the schema. Safe to repeat.

Run it before the services of a new version start, as the owner of the database (MODELOG_POSTGRES_OWNER_URL); it makes
the logins of the services and of readers. Old services go on beside them. Run it with `--after` once the last old
service has ended: what only they needed is dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import asyncpg
import stamina
from modelog.store import Unavailable
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from operations.failures import explain
from operations.logins import check_logins, set_up_logins
from operations.topics import set_up_topics
from shared.artifacts.store import ArtifactStore
from shared.log.migrations import migrate
from shared.runtime.errors import REFUSED, is_transient
from shared.runtime.settings import Settings, settings

STARTING_SECONDS = 60.0
"""How long servers may take to start."""


async def setup(settings: Settings, *, after: bool = False) -> list[str]:
    """Create what is missing and return a sentence for each thing created, raised or wrong.

    With `after`, drop what only older services use. Raise LoginRefused for a login that may do too much, or what the
    server raised that did not answer in time.
    """
    waiting = stamina.retry_context(_may_be_starting, attempts=None, timeout=STARTING_SECONDS, wait_max=2.0)
    async for attempt in waiting:
        with attempt:
            async with connected(settings) as connection:
                logins = await check_logins(connection, settings)
                done = await set_up_topics(settings, connection)
            artifacts = ArtifactStore(settings.store())
            await artifacts.make_bucket()
            artifacts.close()
    # The schema last: services wait for it, and find topics and bucket there.
    async with connected(settings) as connection:
        done += [f"applied {name}" for name in await migrate(connection, after=after)]
        return done + await set_up_logins(connection, logins)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the registry's database, as its owner."""
    connection = await asyncpg.connect(**settings.postgres_owner)
    try:
        yield connection
    finally:
        await connection.close()


def main() -> None:
    """Set up what the environment names, and print what was created."""
    parser = argparse.ArgumentParser(
        prog="python -m operations setup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--after", action="store_true", help="no old service runs any more: drop what only they use")
    arguments = parser.parse_args()
    set_on_retry_hooks([_print_reason])
    for sentence in asyncio.run(setup(settings(), after=arguments.after)):
        print(sentence)


def _may_be_starting(error: Exception) -> bool:
    """Whether the server may answer later; an object store that refuses the keys has started."""
    refused = isinstance(error, REFUSED) or (isinstance(error, Unavailable) and error.status == HTTPStatus.FORBIDDEN)
    return is_transient(error) and not refused


def _print_reason(details: RetryDetails) -> None:
    if details.retry_num == 1:
        sentence = explain(details.caused_by, settings())
        print(f"{sentence} Trying again for {STARTING_SECONDS:.0f} seconds.", file=sys.stderr)
