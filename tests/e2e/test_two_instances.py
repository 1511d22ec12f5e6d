"""Two instances of every service: they share the work, and each takes over when the other is stopped or killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack import Servers
from stack.waiting import until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.installation import DECIDING, EVERY_SERVICE
from tests.e2e.invariants import check
from tests.e2e.load import running_load
from tests.e2e.watching import wait_until_idle

PAIRS = tuple((name, f"{name}-2") for name in EVERY_SERVICE)


async def test_two_processes_share_every_service_and_take_over_from_each_other(
    servers: Servers, tmp_path: Path
) -> None:
    """25 s: two processes instead of fourteen, with all services in each; the long test below has them apart."""
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start("all", "all-2")
        await cluster.ready("all", "all-2")
        await wait_until_shared(cluster, dict.fromkeys(DECIDING, ("all", "all-2")))
        async with running_load(cluster, tmp_path, rate=25, models=20) as load:
            await cluster.grows("model.promoted", 20)
            for service in DECIDING:
                assert answered(cluster, "all", service) > 0, service
                assert answered(cluster, "all-2", service) > 0, service
            publishing, standby = relays(cluster, "all", "all-2")
            await cluster.stop(publishing)
            await cluster.grows("model.promoted", 20)
            cluster.start(publishing)
            await cluster.ready(publishing)
            await wait_until_shared(cluster, dict.fromkeys(DECIDING, ("all", "all-2")))
            await cluster.kill(standby)
            await cluster.grows("model.promoted", 20)
            await cluster.grows("drift.recorded")
        await wait_until_idle(cluster)
        await check(cluster, load)


@pytest.mark.long
async def test_two_of_every_service_share_the_work_and_take_over_from_each_other(
    servers: Servers, tmp_path: Path
) -> None:
    """65 s: fourteen processes."""
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        titles = [title for pair in PAIRS for title in pair]
        cluster.start(*titles)
        await cluster.ready(*titles)
        await wait_until_shared(cluster, {name: (name, f"{name}-2") for name in DECIDING})
        async with running_load(cluster, tmp_path, rate=25, models=20) as load:
            await cluster.grows("model.promoted", 20)
            for service in DECIDING:
                assert answered(cluster, service, service) > 0, service
                assert answered(cluster, f"{service}-2", service) > 0, service
            publishing, standby = relays(cluster, "relay", "relay-2")
            stopped = ["ingestion", "promotion", "retirement", "views", publishing]
            await cluster.stop(*stopped)
            await cluster.grows("model.promoted", 20)
            assert publishes(cluster, standby)
            await cluster.kill("validation-2", "retraining")
            await cluster.grows("model.promoted", 20)
            await cluster.grows("drift.recorded")
        await wait_until_idle(cluster)
        await check(cluster, load)
        for title in stopped:
            assert cluster.running[title].lines()[-1]["event"] == "stopped"


async def wait_until_shared(cluster: Cluster, pairs: dict[str, tuple[str, str]]) -> None:
    """Wait until both processes have partitions of each service."""

    async def shared() -> bool:
        return all(
            cluster.running[title].components()[service].get("partitions")
            for service, pair in pairs.items()
            for title in pair
        )

    await until(shared, "every service shared by two processes", seconds=60)


def answered(cluster: Cluster, title: str, service: str) -> float:
    """The number of messages that this service has answered in this process."""
    return cluster.running[title].metric("modelog_handled_total{", f'service="{service}"')


def relays(cluster: Cluster, *titles: str) -> tuple[str, str]:
    """The process whose relay publishes, and the process whose relay waits."""
    publishing = [title for title in titles if publishes(cluster, title)]
    assert len(publishing) == 1, publishing
    (standby,) = set(titles) - set(publishing)
    return publishing[0], standby


def publishes(cluster: Cluster, title: str) -> bool:
    """Whether the relay of this process leads."""
    return bool(cluster.running[title].components()["relay"].get("role") == "leader")
