"""Two pytest-xdist workers on the servers of a single stack, which the controller starts and ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

import pytest
from xdist.scheduler import LoadScopeScheduling

from stack import StackError, running
from stack.selection import select

T = TypeVar("T")
GROUPS = {
    "tests/e2e/test_demo": "servers of their own",
    "tests/integration/test_stack": "servers of their own",
    "tests/sdk/test_outage": "servers of their own",
    "tests/e2e/": "clusters",
}
"""Modules that need most of the machine, by the beginning of their path: one group for each of the two workers."""


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers in the controller; without workers, the fixture `stack` starts them when a test needs them."""
    if os.environ.get("MODELOG_STACK") == "docker" and select(os.environ) == "given":
        raise pytest.UsageError("MODELOG_STACK is docker, and the shell has addresses of other servers: unset them.")
    needs_servers = not all(argument.startswith("tests/unit") for argument in config.args)
    if needs_servers and config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        ends = ExitStack()
        config.add_cleanup(ends.close)
        setattr(config, "stack_env", entered(ends, running).env)  # noqa: B010  (no attribute of pytest's)


def entered(ends: ExitStack, servers: Callable[[], AbstractContextManager[T]]) -> T:
    """Start servers that end with `ends`; where they cannot start, end the run with the sentence about that."""
    try:
        return ends.enter_context(servers())
    except StackError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker the addresses."""
    node.workerinput["stack"] = getattr(node.config, "stack_env", None)


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Keeps the tests of a module in a worker, for its fixtures, and those of a group.

    Not the marker `xdist_group`: xdist 3.8 writes it into a field of an item that pytest 9.2 does not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return next((name for start, name in GROUPS.items() if module.startswith(start)), module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Give each worker group after group."""
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest groups."""
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(GROUPS)))
