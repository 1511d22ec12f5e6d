"""What the components of a process share."""

from __future__ import annotations

from typing import Any, Self, cast

import pytest
from modelog.policy import DEFAULT

from shared.runtime.runtime import Context, Resource, Runtime
from tests.examples import NOON


class Pool:
    async def close(self) -> None:
        """Nothing was connected."""


class Store(Resource):
    """A resource that knows how often it was opened, and whether it was closed."""

    opened = 0

    def __init__(self) -> None:
        self.closed = False

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        cls.opened += 1
        store = cls()
        runtime.closing.callback(store.close)
        return store

    def close(self) -> None:
        self.closed = True


async def test_a_resource_is_opened_once_and_closed_with_the_process() -> None:
    runtime = Runtime(cast(Any, None), cast(Any, Pool()), DEFAULT)
    store = runtime.resource(Store)
    assert runtime.resource(Store) is store
    assert Store.opened == 1
    await runtime.close()
    assert store.closed


async def test_a_resource_that_knows_no_problem_has_none() -> None:
    assert await Store().problem() is None


def test_a_handler_gets_only_what_its_service_needs() -> None:
    store = Store()
    assert Context(NOON, DEFAULT, {Store: store}).resource(Store) is store
    with pytest.raises(KeyError):
        Context(NOON, DEFAULT, {}).resource(Store)
