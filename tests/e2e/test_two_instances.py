"""Two of every service: they share the work, and what one leaves the other takes, whether it leaves or is killed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from stack import Servers
from tests.e2e.cluster import DECIDING, EVERY, Cluster, new_cluster
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.process import until
from tests.e2e.watching import quiet

FIRST = EVERY
SECOND = tuple(f"{name}-2" for name in EVERY)


async def test_two_of_every_service_share_the_work_and_stand_in_for_each_other(
    servers: Servers, tmp_path: Path
) -> None:
    async with new_cluster(servers.addresses, tmp_path) as cluster:
        cluster.start(*FIRST, *SECOND)
        await cluster.ready(*FIRST, *SECOND)
        await until(lambda: shared(cluster), "every service shared by two")
        load = Load(cluster, tmp_path, rate=25, models=20)
        loading = asyncio.create_task(load.run())
        try:
            await cluster.grows("model.promoted", 20)
            for name in DECIDING:
                assert answered(cluster, name) > 0, name
                assert answered(cluster, f"{name}-2") > 0, name
            speaking, standing_by = relays(cluster)
            leaving = ["ingestion", "promotion", "retirement", "views", speaking]
            await cluster.stop(*leaving)
            await cluster.grows("model.promoted", 20)
            assert relays(cluster) == (standing_by, "nobody")
            await cluster.kill("validation-2", "retraining")
            await cluster.grows("model.promoted", 20)
            await cluster.grows("drift.recorded")
        finally:
            load.enough.set()
            await loading
        await quiet(cluster)
        await check(cluster, load.sent, load.garbage)
        for title in leaving:
            assert cluster.running[title].lines()[-1]["event"] == "stopped"


async def shared(cluster: Cluster) -> bool:
    """Whether both of each service have partitions."""
    told = [cluster.running[title].ready()[1] for name in DECIDING for title in (name, f"{name}-2")]
    return all(re.search("[1-9][0-9]* partitions", one) for one in told)


def answered(cluster: Cluster, title: str) -> float:
    """How many messages a process says that it has answered."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in cluster.running[title].ask("/metrics").splitlines()
        if line.startswith("modelog_handled_total")
    )


def relays(cluster: Cluster) -> tuple[str, str]:
    """The relay that speaks, and the one that stands by."""
    told = {
        title: "standing by" in cluster.running[title].ready()[1]
        for title in ("relay", "relay-2")
        if cluster.running[title].alive
    }
    by_standing = {standing: title for title, standing in told.items()}
    return by_standing.get(False, "nobody"), by_standing.get(True, "nobody")
