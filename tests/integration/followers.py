"""Followers as they run in a process, each with a runtime of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.runtime.runtime import Component, Runtime
from shared.runtime.settings import Settings
from stack.waiting import until


@asynccontextmanager
async def running(runtime: Runtime, follower: Component) -> AsyncIterator[Runtime]:
    """A follower in a process of its own, until that is stopped or the block ends."""
    own = Runtime(runtime.settings, runtime.pool, runtime.policy)
    task = asyncio.create_task(follower.run(own))
    try:
        yield own
    finally:
        own.stopping.set()
        await asyncio.wait_for(task, 20)


async def until_reported(runtime: Runtime, name: str, **state: Any) -> None:
    """Wait until `/readyz` shows this state."""

    async def reported() -> bool:
        return state.items() <= runtime.health.components.get(name, {}).items()

    await until(reported, f"{name} with {state}")


def environment(settings: Settings) -> dict[str, str]:
    """These settings as the variables of a process."""
    values = settings.model_dump(exclude_none=True)
    plain = {k: v.get_secret_value() if hasattr(v, "get_secret_value") else v for k, v in values.items()}
    return {f"MODELOG_{name}".upper(): str(value) for name, value in plain.items()}
