"""What every test may ask for: real servers, a database and a topic prefix of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

pytest.register_assert_rewrite("tests.spec")

from shared.log import Log  # noqa: E402  (asserts in tests.spec must be rewritten before anything imports it)
from shared.log.migrations import migrate  # noqa: E402
from shared.runtime.postgres import connect  # noqa: E402
from shared.runtime.settings import Settings  # noqa: E402
from stack import Addresses, running  # noqa: E402


@pytest.fixture(scope="session")
def stack() -> Iterator[Addresses]:
    """Kafka, Postgres and S3 for the whole run."""
    with running() as addresses:
        yield addresses


@pytest.fixture
async def database(stack: Addresses) -> AsyncIterator[str]:
    """The address of an empty database with the log's schema in it."""
    name = f"test_{secrets.token_hex(6)}"
    owner = await asyncpg.connect(stack.postgres)
    try:
        await owner.execute(f"create database {name}")
        url = urlsplit(stack.postgres)._replace(path=f"/{name}").geturl()
        connection = await asyncpg.connect(url)
        await migrate(connection)
        await connection.close()
        yield url
        await owner.execute(f"drop database {name} with (force)")
    finally:
        await owner.close()


@pytest.fixture
async def log(database: str) -> AsyncIterator[Log]:
    """The log in a database of its own, as the services reach it."""
    pool = await connect(database, "modelog_service", size=16)
    try:
        yield Log(pool)
    finally:
        await pool.close()


@pytest.fixture
def settings(stack: Addresses, database: str) -> Settings:
    """A registry of its own on the shared servers: database, topic prefix and bucket."""
    tag = secrets.token_hex(4)
    return Settings.model_validate(
        {
            "kafka_servers": stack.kafka,
            "postgres_url": database,
            "s3_endpoint": stack.s3_endpoint,
            "s3_access_key": stack.s3_access_key,
            "s3_secret_key": stack.s3_secret_key,
            "s3_bucket": f"test-{tag}",
            "topic_prefix": f"{tag}.",
            "topic_partitions": 3,
        }
    )
