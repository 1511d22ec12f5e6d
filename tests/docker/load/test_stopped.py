"""`docker stop` and `docker compose stop` under load: each container ends by itself, and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from services import names
from stack.compose import SERVERS
from tests.docker.conftest import Report
from tests.docker.containers import Containers
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.process import parsed
from tests.e2e.progress import goes_on
from tests.e2e.watching import wait_until_idle

pytestmark = pytest.mark.docker

KILLED = 137
ENDED = {"kafka": "App info kafka.server for 1 unregistered", "postgres": "database system is shut down"}
"""What a server prints last when it has written everything."""
CLEAN_START = {"kafka": "since clean shutdown file was found", "postgres": "database system was shut down at"}
"""What it prints at its next start when it found everything written."""


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_that_is_stopped_under_load_ends_by_itself_and_the_registry_goes_on(
    containers: Containers, load: Load, report: Report, name: str
) -> None:
    async with load.running():
        await goes_on(containers, name)
        began = time.monotonic()
        await containers.run("stop", name)
        report(f"{name:<10} ended {time.monotonic() - began:4.1f} s after docker stop")
        ended_by_itself(containers, name)
        printed = len(containers.lines(name))
        await containers.run("start", name)
        await containers.work(name)
        await goes_on(containers, name)
    assert CLEAN_START.get(name, "") in "\n".join(containers.lines(name)[printed:])


async def test_everything_that_is_stopped_under_load_ends_by_itself_and_goes_on_when_it_is_started(
    containers: Containers, load: Load, report: Report
) -> None:
    async with load.running():
        await goes_on(containers, "the registry")
        began = time.monotonic()
        await asyncio.to_thread(containers.project.compose, "stop")
        report(f"{'all':<10} ended {time.monotonic() - began:4.1f} s after docker compose stop")
        for name in containers.names:
            ended_by_itself(containers, name)
        began = time.monotonic()
        await asyncio.to_thread(containers.project.compose, "start")
        await containers.work()
        report(f"{'all':<10} healthy {time.monotonic() - began:4.1f} s after docker compose start")
        for name in names():
            await goes_on(containers, name)


async def test_services_that_are_stopped_and_started_without_servers_end_by_themselves_and_wait(
    containers: Containers, load: Load, report: Report
) -> None:
    """`docker compose up` stops the servers first, where it replaces them too."""
    async with load.running():
        await containers.grows("model.promoted")
        await containers.run("stop", *SERVERS)
        began = time.monotonic()
        await containers.run("stop", *names())
        report(f"{'services':<10} ended {time.monotonic() - began:4.1f} s after docker stop, without servers")
        for name in names():
            ended_by_itself(containers, name)
        await containers.run("start", *names())
        await containers.run("start", *SERVERS)
        await containers.work()
        for name in names():
            await goes_on(containers, name)
    await wait_until_idle(containers)
    await check(containers, load)
    assert not containers.bugs()
    assert {state.restarts for state in containers.states(*names()).values()} == {0}, "a service did not wait"


def ended_by_itself(containers: Containers, name: str) -> None:
    """Raise AssertionError unless a container has ended before Docker lost its patience, and has finished its work."""
    state, lines = containers.state(name), containers.lines(name)
    assert state.status == "exited", name
    assert state.exit_code != KILLED, f"{name} was killed: {lines[-5:]}"
    assert name in SERVERS or state.exit_code == 0, f"{name} ended with status {state.exit_code}: {lines[-5:]}"
    assert ENDED.get(name, "") in "\n".join(lines[-50:])
    if name in names():
        assert any(parsed(line).get("event") == "stopped" for line in lines[-5:]), lines[-5:]
