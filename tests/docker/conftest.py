"""What every test of Docker may use: the image, and lines that are printed at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.docker.image import Image, build, docker

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
