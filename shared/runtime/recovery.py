"""Recovery: a component runs until its process stops, whatever happens to the servers meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiokafka.errors import KafkaError
from modelog._kafka.stray import stray_cancellations_raised

from shared.runtime.errors import is_transient
from shared.runtime.kafka_problem import kafka_problem
from shared.runtime.runtime import Runtime
from shared.runtime.waiting import run_until_stopped, sleep_until_stopped

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
            await asyncio.gather(
                sleep_until_stopped(runtime.stopping, pause), _report(error, runtime, name, next_attempt_seconds=pause)
            )
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def _report(error: Exception, runtime: Runtime, name: str, next_attempt_seconds: float) -> None:
    """Report the error; then, if it is Kafka's, the cause, for which the brokers are asked until the next attempt."""

    def report(detail: str) -> None:
        runtime.health.report(name, False, f"interrupted, next attempt in {next_attempt_seconds:g} s: {detail}")

    detail = f"{type(error).__name__}: {error}"
    report(detail)
    if isinstance(error, KafkaError):
        asked = run_until_stopped(runtime.stopping, kafka_problem(runtime.settings.kafka))
        with suppress(TimeoutError):
            async with asyncio.timeout(next_attempt_seconds):
                detail = await asked or detail
        report(detail)
    logger.warning("interrupted", component=name, error=detail, next_attempt_seconds=next_attempt_seconds)


def _is_cancelled() -> bool:
    """Whether the task was cancelled: the rollback on a lost connection raises another error in place of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
