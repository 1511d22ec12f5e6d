"""Buckets for the artifact tests."""

from collections.abc import Mapping

import pytest

from stack import Addresses
from tests.integration.artifacts import CountingStore, opened_store, pinning


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
