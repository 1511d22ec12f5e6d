"""A registry in this process for the tests of a module, another whose logins were stolen, and buckets."""

from collections.abc import AsyncIterator, Mapping

import asyncpg
import pytest
from modelog._s3 import swapping
from modelog.manifest import manifest, manifest_key

from operations.parked import Servers, servers
from stack import Addresses
from stack.disposable import Sandbox
from tests.integration.artifacts import CountingStore, kept, opened_store, pinning, put
from tests.integration.downloads import Version
from tests.integration.in_process import InProcessRegistry, in_process
from tests.integration.thieves import attacked


@pytest.fixture(scope="module")
async def registry(stack: Addresses) -> AsyncIterator[InProcessRegistry]:
    async with in_process(stack) as registry:
        yield registry


@pytest.fixture
async def opened(registry: InProcessRegistry) -> AsyncIterator[Servers]:
    async with servers(registry.settings) as opened:
        yield opened


@pytest.fixture(scope="module")
async def robbed(stack: Addresses) -> AsyncIterator[Sandbox]:
    async with attacked(stack) as sandbox:
        yield sandbox


@pytest.fixture
async def robbed_owner(robbed: Sandbox) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**robbed.settings.postgres_owner)
    yield connection
    await connection.close()


@pytest.fixture
async def thief(robbed: Sandbox) -> AsyncIterator[asyncpg.Connection]:
    """Who has the services' login."""
    connection = await asyncpg.connect(**robbed.settings.postgres)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def addresses(stack: Addresses) -> Mapping[str, str]:
    return stack.env


@pytest.fixture
async def store(addresses: Mapping[str, str]) -> CountingStore:
    store = opened_store(addresses)
    with pinning(store) as opened:
        await opened.artifacts.make_bucket()
    return store


@pytest.fixture
def foreign(addresses: Mapping[str, str]) -> CountingStore:
    store = opened_store(addresses)
    store.client.make_bucket(store.bucket)
    return store


@pytest.fixture
def version(store: CountingStore) -> Version:
    def registered(**contents: bytes) -> str:
        digest, content = manifest([kept(store, c, name.replace("__", "/")) for name, c in contents.items()])
        put(store, manifest_key(digest), content)
        return digest

    return registered


@pytest.fixture(params=["in one step", "in two steps"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a system that can exchange two folders, and with another that cannot."""
    if request.param == "in two steps":
        monkeypatch.setattr(swapping, "exchange", lambda *_: False)
