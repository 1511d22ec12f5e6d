import asyncio
from typing import Any

import pytest

from shared.runtime.waiting import gather_or_cancel, retry, run_until_stopped, sleep_until_stopped


class Attempts:
    """Work that fails so many times before it returns."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.error = failures, error or ConnectionError("no answer")
        self.made = 0

    async def __call__(self) -> str:
        self.made += 1
        if self.made <= self.failures:
            raise self.error
        return "done"


async def never(cancelled: list[bool]) -> Any:
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.append(True)


async def test_a_sleep_ends_when_the_process_stops() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_soon(stopping.set)
    await sleep_until_stopped(stopping, 3600)


async def test_a_sleep_ends_after_its_time() -> None:
    stopping = asyncio.Event()
    await sleep_until_stopped(stopping, 0.001)
    assert not stopping.is_set()


async def test_work_that_ends_before_the_process_stops_gives_its_result() -> None:
    assert await run_until_stopped(asyncio.Event(), Attempts(0)()) == "done"


async def test_an_error_of_work_is_raised() -> None:
    with pytest.raises(ConnectionError, match="no answer"):
        await run_until_stopped(asyncio.Event(), Attempts(1)())


async def test_work_is_cancelled_and_cleaned_up_when_the_process_stops() -> None:
    stopping, cancelled = asyncio.Event(), list[bool]()
    asyncio.get_running_loop().call_soon(stopping.set)
    assert await run_until_stopped(stopping, never(cancelled)) is None
    assert cancelled == [True]


async def test_what_ends_late_is_cancelled_only_after_the_process_stops() -> None:
    stopping, cancelled = asyncio.Event(), list[bool]()
    late = asyncio.create_task(run_until_stopped(stopping, never(cancelled), 0.001))
    await asyncio.sleep(0.01)
    assert not late.done()
    stopping.set()
    await late
    assert cancelled == [True]


async def test_a_stopping_process_lets_work_end_and_raises_its_error() -> None:
    stopping, ended = asyncio.Event(), list[bool]()
    stopping.set()

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append(True)
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError, match="no answer"):
        await run_until_stopped(stopping, work(), 60)
    assert ended == [True]


async def test_work_is_cancelled_with_its_caller() -> None:
    cancelled = list[bool]()
    caller = asyncio.create_task(run_until_stopped(asyncio.Event(), never(cancelled)))
    asyncio.get_running_loop().call_later(0.001, caller.cancel)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert cancelled == [True]


async def test_results_are_in_the_order_of_the_works() -> None:
    first = asyncio.Event()

    async def slow() -> int:
        await first.wait()
        return 1

    async def quick() -> int:
        first.set()
        return 2

    assert await gather_or_cancel([slow(), quick()]) == [1, 2]


async def test_where_a_work_fails_its_error_is_raised_alone_and_the_others_are_cancelled() -> None:
    cancelled = list[bool]()
    with pytest.raises(ConnectionError, match="no answer"):
        await gather_or_cancel([never(cancelled), Attempts(1)(), never(cancelled)])
    assert cancelled == [True, True]


async def test_transient_errors_are_tried_again() -> None:
    attempts = Attempts(2)
    assert await retry(attempts, within_seconds=None) == "done"
    assert attempts.made == 3


async def test_any_other_error_is_raised_at_once() -> None:
    attempts = Attempts(1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await retry(attempts, within_seconds=None)
    assert attempts.made == 1


async def test_a_bug_after_a_transient_error_is_raised_too() -> None:
    errors = [ConnectionError("no answer"), ValueError("a bug")]

    async def work() -> None:
        raise errors.pop(0)

    with pytest.raises(ValueError, match="a bug"):
        await retry(work, within_seconds=None)


async def test_a_transient_error_that_lasts_is_raised_when_the_time_is_over() -> None:
    attempts = Attempts(1_000_000)
    with pytest.raises(ConnectionError, match="no answer"):
        await retry(attempts, within_seconds=0.001)
    assert attempts.made >= 2
