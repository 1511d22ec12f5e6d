"""Two of every service: they share the work, and what one leaves the other takes, whether it leaves or is killed."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from stack import Servers
from tests.e2e.load import Load
from tests.e2e.process import until
from tests.e2e.truth import check
from tests.e2e.watching import quiet
from tests.e2e.world import DECIDING, EVERY, World, made

FIRST = EVERY
SECOND = tuple(f"{name}-2" for name in EVERY)


async def test_two_of_every_service_share_the_work_and_stand_in_for_each_other(
    servers: Servers, tmp_path: Path
) -> None:
    async with made(servers.addresses, tmp_path) as world:
        world.start(*FIRST, *SECOND)
        await world.ready(*FIRST, *SECOND)
        await until(lambda: shared(world), "every service shared by two")
        load = Load(world, tmp_path, rate=25, models=20)
        loading = asyncio.create_task(load.run())
        try:
            await world.grows("model.promoted", 20)
            for name in DECIDING:
                assert answered(world, name) > 0, name
                assert answered(world, f"{name}-2") > 0, name
            speaking, standing_by = relays(world)
            leaving = ["ingestion", "promotion", "retirement", "views", speaking]
            await world.stop(*leaving)
            await world.grows("model.promoted", 20)
            assert relays(world) == (standing_by, "nobody")
            await world.kill("validation-2", "retraining")
            await world.grows("model.promoted", 20)
            await world.grows("drift.recorded")
        finally:
            load.enough.set()
            await loading
        await quiet(world)
        await check(world, load.sent, load.garbage)
        for title in leaving:
            assert world.running[title].lines()[-1]["event"] == "stopped"


async def shared(world: World) -> bool:
    """Whether both of each service have partitions."""
    told = [world.running[title].ready()[1] for name in DECIDING for title in (name, f"{name}-2")]
    return all(re.search("[1-9][0-9]* partitions", one) for one in told)


def answered(world: World, title: str) -> float:
    """How many messages a process says that it has answered."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in world.running[title].ask("/metrics").splitlines()
        if line.startswith("modelog_handled_total")
    )


def relays(world: World) -> tuple[str, str]:
    """The relay that leads, and the relay that stands by."""
    roles = {
        json.loads(world.running[title].ready()[1])["components"]["relay"]["role"]: title
        for title in ("relay", "relay-2")
        if world.running[title].alive
    }
    return roles.get("leader", "nobody"), roles.get("standby", "nobody")
