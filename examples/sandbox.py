"""The demo's own registry, on the servers of the environment or on servers that are started for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from examples.errors import DemoError
from stack import running
from stack.disposable import Sandbox


@contextmanager
def demo_sandbox() -> Iterator[Sandbox]:
    """Start the servers and make a database. From then on the environment of this process names the demo's registry.

    Servers that the environment named before are left as they were; all others end.
    """
    with running() as servers:
        sandbox = Sandbox.named(servers, "demo", MODELOG_TOPIC_PARTITIONS="3")
        for name in [name for name in os.environ if name.startswith("MODELOG_")]:
            del os.environ[name]
        os.environ.update(sandbox.env)
        try:
            asyncio.run(sandbox.create())
        except (OSError, asyncpg.PostgresError) as error:
            raise DemoError(f"the demo needs a database of its own, which could not be made: {error}") from error
        try:
            yield sandbox
        finally:
            asyncio.run(sandbox.remove())
