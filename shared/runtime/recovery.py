"""Recovery: a component runs until its process stops, whatever happens to the servers meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaConnectionError

from shared.runtime.errors import is_transient
from shared.runtime.kafka_problem import kafka_problem
from shared.runtime.runtime import Runtime
from shared.runtime.waiting import run_until_stopped, sleep_until_stopped, stray_cancellations_raised

logger = structlog.get_logger()

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 5.0


async def run_with_recovery(runtime: Runtime, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Call `work` until the process stops; after a transient error, report `name` as not ready and call it again.

    When `work` returns it is called again at once. The pause after an error doubles from the first to the longest, and
    is the first again once `work` has returned or has run for longer than the longest. Any other error is raised.
    """
    pause = FIRST_PAUSE_SECONDS
    while not runtime.stopping.is_set():
        began = time.monotonic()
        try:
            with stray_cancellations_raised():
                await work()
            pause = FIRST_PAUSE_SECONDS
        except Exception as error:
            if not is_transient(error) or _is_cancelled():
                raise
            if time.monotonic() - began > MAX_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            detail = await _detail(error, runtime)
            runtime.health.report(name, False, f"interrupted, next attempt in {pause:g} s: {detail}")
            logger.warning("interrupted", component=name, error=detail, next_attempt_seconds=pause)
            await sleep_until_stopped(runtime.stopping, pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def _detail(error: Exception, runtime: Runtime) -> str:
    """The cause, which aiokafka does not raise where it cannot connect."""
    if isinstance(error, KafkaConnectionError):
        sentence = await run_until_stopped(runtime.stopping, kafka_problem(runtime.settings.kafka))
        if sentence is not None:
            return sentence
    return f"{type(error).__name__}: {error}"


def _is_cancelled() -> bool:
    """Whether the task was cancelled: the rollback on a lost connection raises another error in place of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
