"""Fixtures for every test: real servers, and a database, a topic prefix and a bucket of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# No test fails because the machine is busy.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

pytest.register_assert_rewrite("tests.spec")

from operations.logins import logins, set_up_logins  # noqa: E402  (asserts in tests.spec must be rewritten before anything imports it)
from shared.log import Log  # noqa: E402
from shared.log.migrations import migrate  # noqa: E402
from shared.runtime.settings import Settings  # noqa: E402
from stack import Addresses, running  # noqa: E402
from stack.disposable import Sandbox, disposable  # noqa: E402
from tests.on_containers import pytest_runtest_setup, pytest_terminal_summary  # noqa: E402, F401
from tests.workers import (  # noqa: E402
    entered,
    pytest_collection_modifyitems,  # noqa: F401
    pytest_configure,  # noqa: F401
    pytest_configure_node,  # noqa: F401
    pytest_xdist_make_scheduler,  # noqa: F401
)


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Addresses]:
    """Kafka, Postgres and S3 for the whole run; workers share those of the controller."""
    with ExitStack() as ends:
        shared: dict[str, str] | None = getattr(pytestconfig, "workerinput", {}).get("stack")
        yield Addresses.from_env(shared) if shared else entered(ends, running)


@pytest.fixture
async def sandbox(stack: Addresses) -> AsyncIterator[Sandbox]:
    """A registry of the test's own: the log's schema is there, topics and bucket are not."""
    async with disposable(stack, "test", set_up=False, MODELOG_TOPIC_PARTITIONS="3") as sandbox:
        async with sandbox.owner() as owner, owner.acquire() as connection:
            await migrate(connection)
            await set_up_logins(connection, logins(sandbox.settings))
        yield sandbox


@pytest.fixture
def database(sandbox: Sandbox) -> str:
    """The URL of the owner of a database with the log's schema in it."""
    return sandbox.addresses.owner


@pytest.fixture
async def log(sandbox: Sandbox) -> AsyncIterator[Log]:
    """The log in a database of its own, with the role of the services."""
    async with await sandbox.service(16) as pool:
        yield Log(pool)


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    """The settings of a process of this registry."""
    return sandbox.settings
