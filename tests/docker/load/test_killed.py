"""`docker kill` of every container under load, in turn: no message is lost, answered twice or out of order."""

from __future__ import annotations

import time

import pytest

from tests.docker.conftest import Report
from tests.docker.containers import Containers
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.progress import goes_on
from tests.e2e.watching import wait_until_idle

pytestmark = pytest.mark.docker


async def test_nothing_is_lost_or_doubled_when_every_container_is_killed_in_turn(
    containers: Containers, load: Load, report: Report
) -> None:
    async with load.running():
        await containers.grows("model.promoted", 20)
        for name in containers.names:
            if containers.state(name).is_done:
                await containers.run("start", name)
            began = time.monotonic()
            await containers.run("kill", name)
            await containers.run("start", name)
            await containers.work(name)
            healthy = time.monotonic() - began
            await goes_on(containers, name)
            works = time.monotonic() - began
            report(f"{name:<10} healthy {healthy:4.1f} s after docker kill, at work after {works:4.1f} s")
    await wait_until_idle(containers)
    await containers.work()
    await check(containers, load)
    assert not containers.bugs()
    report(f"{len(load.sent)} messages: 0 lost, 0 answered twice, {len(load.garbage)} parked, all of them garbage")
