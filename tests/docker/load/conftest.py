"""A registry in containers for every test of this folder, with a load that goes on from test to test."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from tests.docker.conftest import Report
from tests.docker.containers import MESSAGES_PER_SECOND, Containers, removed_at_its_end
from tests.docker.project import Project
from tests.e2e.load import Load


@pytest.fixture(scope="package")
async def containers(tmp_path_factory: pytest.TempPathFactory, report: Report) -> AsyncIterator[Containers]:
    """The containers of compose.yaml, healthy; removed with their volumes at the end of this folder."""
    folder = tmp_path_factory.mktemp("containers")
    with removed_at_its_end(Project.new("load", folder), folder) as project:
        project.compose("build", "--quiet")
        began = time.monotonic()
        containers = Containers(project, folder)
        await containers.up()
        report(f"{len(containers.names)} containers are healthy after {time.monotonic() - began:.1f} s")
        yield containers


@pytest.fixture(scope="package")
def load(containers: Containers) -> Load:
    """What is sent to these containers, by all tests."""
    return Load(containers, containers.logs, MESSAGES_PER_SECOND)
