import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from shared.runtime import recovery
from shared.runtime.health import Health
from shared.runtime.recovery import run_with_recovery
from shared.runtime.runtime import Runtime


class Process:
    """What recovery uses of a process, and the pauses that it made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.health, self.stopping = Health(), asyncio.Event()
        self.pauses = list[float]()
        monkeypatch.setattr(recovery, "sleep_until_stopped", self.pause)

    async def pause(self, stopping: asyncio.Event, seconds: float) -> None:
        assert stopping is self.stopping
        self.pauses.append(seconds)

    async def run(self, *steps: Callable[[], Any]) -> None:
        """Each call of the work is one of these steps; the last stops the process."""
        left = list(steps)

        async def work() -> None:
            step = left.pop(0)
            if not left:
                self.stopping.set()
            step()

        await run_with_recovery(cast(Runtime, self), "relay", work)
        assert not left


def fails() -> None:
    raise ConnectionError("no answer")


def returns() -> None:
    pass


async def test_work_is_called_again_until_the_process_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    await process.run(returns, returns, returns)
    assert process.pauses == []


async def test_after_a_transient_error_the_component_is_not_ready_and_the_work_is_called_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch)
    process.health.report("relay", True, "publishes")
    await process.run(fails, returns)
    component = process.health.components["relay"]
    assert component["ready"] is False
    assert component["detail"] == "interrupted, next attempt in 0.5 s: ConnectionError: no answer"


async def test_the_pause_doubles_up_to_five_seconds_and_begins_again_when_the_work_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch)
    await process.run(*[fails] * 6, returns, fails, returns)
    assert process.pauses == [0.5, 1, 2, 4, 5, 5, 0.5]


async def test_any_other_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def has_a_bug() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await Process(monkeypatch).run(has_a_bug, returns)


async def test_a_process_that_stops_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.stopping.set()
    await process.run()


async def test_a_cancelled_component_ends_also_where_its_cleanup_meets_a_transient_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            fails()

    running = asyncio.create_task(run_with_recovery(cast(Runtime, Process(monkeypatch)), "relay", work))
    await begun.wait()
    running.cancel()
    with pytest.raises(ConnectionError, match="no answer"):
        await asyncio.wait_for(running, 10)


async def test_a_cancellation_that_is_not_of_the_task_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka cancels futures that it waits for when it loses a broker."""

    def cancelled() -> None:
        raise asyncio.CancelledError

    process = Process(monkeypatch)
    await process.run(cancelled, returns)
    assert "StrayCancellation" in str(process.health.components["relay"]["detail"])
