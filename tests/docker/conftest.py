"""The image, and a registry in containers for the tests that kill and stop them, with a load that goes on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.docker.containers import Containers, removed_at_its_end
from tests.docker.image import Image, build, docker
from tests.docker.project import Project
from tests.e2e.load import Load

MESSAGES_PER_SECOND = 30

Report = Callable[[str], None]


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """Print a line at once, whatever pytest captures."""
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")
    assert capture

    def report(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", end="", flush=True)

    return report


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image of this checkout."""
    yield build("modelog-test:image")
    docker("image", "rm", "modelog-test:image")


@pytest.fixture(scope="session")
async def containers(tmp_path_factory: pytest.TempPathFactory, report: Report) -> AsyncIterator[Containers]:
    """The containers of compose.yaml, healthy; removed with their volumes at the end."""
    folder = tmp_path_factory.mktemp("containers")
    with removed_at_its_end(Project.new("load", folder), folder) as project:
        project.compose("build", "--quiet")
        began = time.monotonic()
        containers = Containers(project, folder)
        await containers.up()
        report(f"{len(containers.names)} containers are healthy after {time.monotonic() - began:.1f} s")
        yield containers


@pytest.fixture(scope="session")
def load(containers: Containers) -> Load:
    """What is sent to these containers, by all tests."""
    return Load(containers, containers.logs, MESSAGES_PER_SECOND)
