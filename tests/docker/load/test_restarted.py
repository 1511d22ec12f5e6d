"""Restart policies: what ends without being stopped comes back by itself, and waits for what it needs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import pytest

from services import names
from stack.compose import SERVERS
from tests.docker.conftest import Report
from tests.docker.containers import Containers
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.progress import goes_on
from tests.e2e.watching import wait_until_idle

pytestmark = pytest.mark.docker


async def test_containers_that_end_all_at_once_come_back_by_themselves(
    containers: Containers, load: Load, report: Report
) -> None:
    """SIGKILL of the first process of each, as when a machine fails."""
    running = {name: state for name, state in containers.states().items() if state.works}
    async with load.running():
        await goes_on(containers, "the registry")
        began = time.monotonic()
        await containers.crash(*running)
        await containers.work(*running, restarts={name: state.restarts + 1 for name, state in running.items()})
        report(f"{len(running)} containers are healthy {time.monotonic() - began:.1f} s after the end of all")
        for name in names():
            await goes_on(containers, name)
    await wait_until_idle(containers)
    await check(containers, load)
    assert not containers.bugs()
    assert {*SERVERS, *names()} <= set(running)


async def test_a_setup_that_is_refused_ends_with_a_sentence_and_is_repeated_by_the_next_up(
    containers: Containers,
) -> None:
    async with refused_owner(containers):
        with pytest.raises(AssertionError, match="setup"):
            await containers.up()
        assert "refuses to log in" in containers.lines("setup")[-1]
        assert all(state.works for state in containers.states(*names()).values())
    await containers.up()
    assert containers.state("setup").is_done


@asynccontextmanager
async def refused_owner(containers: Containers) -> AsyncIterator[None]:
    """For the time of the block, Postgres refuses the owner's password."""
    password = unquote(urlsplit(containers.addresses.owner).password or "")
    connection = await containers.log()
    try:
        await connection.execute("alter role modelog password 'another'")
        yield
        await connection.execute(f"alter role modelog password '{password}'")
    finally:
        await connection.close()
