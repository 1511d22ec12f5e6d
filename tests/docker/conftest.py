"""Fixtures of the tests that need a Docker engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.image import Image, build, docker


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image of this checkout."""
    yield build("modelog-test:image")
    docker("image", "rm", "modelog-test:image")
