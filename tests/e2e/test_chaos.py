"""kill -9 of every process under load, in turn: no message is lost, answered twice or out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack import Servers
from stack.waiting import until
from tests.e2e.cluster import new_cluster
from tests.e2e.installation import EVERY_SERVICE
from tests.e2e.invariants import check
from tests.e2e.killing import kill_server, kill_services
from tests.e2e.load import running_load
from tests.e2e.watching import wait_until_idle


@pytest.mark.parametrize("runs", [300, pytest.param(2_000, marks=pytest.mark.long)])
async def test_nothing_is_lost_or_doubled_when_every_process_dies_in_turn(
    servers: Servers, tmp_path: Path, runs: int
) -> None:
    """45 s with 300 runs, which is about the time of the kills; 95 s with 2,000 runs."""
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start(*EVERY_SERVICE)
        await cluster.ready(*EVERY_SERVICE)
        async with running_load(cluster, tmp_path, rate=30) as load:
            await cluster.grows("model.promoted")
            await kill_services(cluster)
            await kill_server(cluster, servers, "kafka")
            await kill_server(cluster, servers, "postgres")

            async def enough() -> bool:
                return load.trained() >= runs

            await until(enough, f"{runs} runs", seconds=120)
        await wait_until_idle(cluster)
        await cluster.ready(*EVERY_SERVICE)
        await check(cluster, load)
        assert {event.model for event in load.sent.values()} == set(load.models)
        assert not cluster.bugs()
