"""Real servers for the tests marked `integration`: those of the environment, else those of tests/conftest.py."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from hypothesis import HealthCheck, settings
from modelog import Registry, SyncRegistry
from modelog.events import EVENTS
from modelog.store import Store

# No test fails because the machine is busy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "integration: needs Kafka and S3, which the stack starts")


@pytest.fixture(scope="session")
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    """MODELOG_* of servers that answer."""
    if os.environ.get("MODELOG_KAFKA_SERVERS"):
        return {name: value for name, value in os.environ.items() if name.startswith("MODELOG_")}
    try:
        addresses: Any = request.getfixturevalue("stack")
    except pytest.FixtureLookupError:
        pytest.skip("needs the stack or MODELOG_* addresses")
    env: dict[str, str] = addresses.env | {"MODELOG_S3_BUCKET": f"sdk-{uuid.uuid4().hex[:8]}"}
    return env


@pytest.fixture(scope="session")
def store(env: dict[str, str]) -> Store:
    """The bucket, made if it is missing."""
    keys = (env[f"MODELOG_S3_{name}"] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "BUCKET"))
    store = Store(*keys)
    if not store.client.bucket_exists(store.bucket):
        store.client.make_bucket(store.bucket)
    return store


async def topics(servers: str) -> str:
    """Make every topic under a prefix of its own, and return the prefix."""
    prefix = f"test-{uuid.uuid4().hex[:8]}."
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(prefix + event.type, 3, 1) for event in EVENTS])
    finally:
        await admin.close()
    return prefix


@pytest.fixture
async def prefix(env: dict[str, str]) -> str:
    """Topics that no other test sees."""
    return await topics(env["MODELOG_KAFKA_SERVERS"])


@pytest.fixture
async def registry(env: dict[str, str], prefix: str, store: Store) -> AsyncIterator[Registry]:
    """An open registry."""
    async with Registry(env["MODELOG_KAFKA_SERVERS"], prefix=prefix, store=store) as registry:
        yield registry


@pytest.fixture
def sync_registry(env: dict[str, str], prefix: str, store: Store) -> Iterator[SyncRegistry]:
    """The same without async."""
    with SyncRegistry(env["MODELOG_KAFKA_SERVERS"], prefix=prefix, store=store) as registry:
        yield registry
