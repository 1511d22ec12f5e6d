"""Servers for these tests alone, because they are killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers
