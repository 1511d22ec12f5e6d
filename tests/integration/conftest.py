"""A registry in this process for the tests of a module, and buckets for the artifact tests."""

from collections.abc import AsyncIterator, Mapping

import pytest

from operations.parked import Servers, servers
from stack import Addresses
from tests.integration.artifacts import CountingStore, opened_store, pinning
from tests.integration.in_process import InProcessRegistry, in_process


@pytest.fixture(scope="module")
async def registry(stack: Addresses) -> AsyncIterator[InProcessRegistry]:
    async with in_process(stack) as registry:
        yield registry


@pytest.fixture
async def opened(registry: InProcessRegistry) -> AsyncIterator[Servers]:
    async with servers(registry.settings) as opened:
        yield opened


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
