"""Every attack at once and kill -9 of every part, under a steady load of honest messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack import Servers
from stack.waiting import until
from tests.e2e.attacks import MIB, stranger
from tests.e2e.cluster import new_cluster
from tests.e2e.installation import EVERY_SERVICE
from tests.e2e.invariants import check
from tests.e2e.killing import kill_server, kill_services
from tests.e2e.load import running_load
from tests.e2e.storm import Storm, storming
from tests.e2e.watching import wait_until_idle

TITLES = (*EVERY_SERVICE, "relay-2", "ingestion-2", "validation-2")
RUNS = 600
MAX_BYTES = 300 * MIB
"""Of resident memory of a process with a single service, at any time."""


@pytest.mark.long
async def test_honest_messages_get_exactly_their_answers_in_a_storm(servers: Servers, tmp_path: Path) -> None:
    """5 minutes."""
    async with new_cluster(servers.addresses, tmp_path) as cluster, stranger(cluster) as attacker:
        cluster.start(*TITLES)
        await cluster.ready(*TITLES)
        async with running_load(cluster, tmp_path, rate=12, models=30) as load:
            await cluster.grows("model.promoted")
            async with storming(cluster, attacker, load) as made:
                await kill_services(cluster, TITLES)
                await kill_server(cluster, servers, "kafka")
                await kill_server(cluster, servers, "postgres")
                await kill_server(cluster, servers, "s3")

                async def enough() -> bool:
                    return load.trained() >= RUNS and set(made) == names

                names = {attack.__name__ for attack in Storm(cluster, attacker, load).attacks}
                await until(enough, f"{RUNS} runs and every attack ({cluster.logs})", seconds=180)
        await wait_until_idle(cluster, seconds=180)
        await cluster.ready(*TITLES)
        assert all(peak < MAX_BYTES for peak in cluster.memory().values()), cluster.memory()
        await check(cluster, load, attacker)
        assert not cluster.bugs()
