"""Servers for these tests alone, because they are killed; who uses the `cluster` of a module well, and who does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from stack import Servers, own_servers
from tests.e2e.attacks import Stranger, stranger
from tests.e2e.cluster import Cluster
from tests.e2e.honest import Honest, honest
from tests.workers import entered


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as ends:
        yield entered(ends, own_servers)


@pytest.fixture(scope="module")
async def pipeline(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Honest]:
    async with honest(cluster, tmp_path_factory.mktemp("files")) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
async def attacker(cluster: Cluster) -> AsyncIterator[Stranger]:
    async with stranger(cluster) as attacker:
        yield attacker
