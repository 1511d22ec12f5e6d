"""`make test-upgrade FROM=<commit>`: old and new processes side by side under load, then the old ones end.

Prints a line for each step. Ends with status 1 and the reason when a message was lost or answered twice, or when
something was parked that is not garbage.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from stack import Servers
from stack.waiting import until
from tests.e2e.cluster import DECIDING, EVERY_SERVICE, Cluster
from tests.e2e.invariants import check
from tests.e2e.load import Load, running_load
from tests.e2e.watching import wait_until_idle
from tests.upgrade.checkout import ROOT, SNAPSHOT_OFTEN, Checkout

MESSAGES_PER_SECOND = 20
MODELS = 20
PROGRESS = {
    "ingestion": "model.registered",
    "validation": "model.validated",
    "promotion": "model.promoted",
    "retraining": "drift.recorded",
    "retirement": "retirement.refused",
    "relay": "model.promoted",
    "views": "model.promoted",
}
"""The fact that shows that others do the work of a service that ended."""
BUG_EVENTS = ("bug", "defect")
"""What a service logs when it parks a record because of a bug of its own; older commits say defect."""
NEW = {name: f"{name}-new" for name in EVERY_SERVICE}

began = time.monotonic()


def report(step: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {step}", flush=True)


async def upgrade(cluster: Cluster, old: Checkout) -> Load:
    """From a registry of old processes to one of new processes, under load that goes on; return what was sent."""
    await cluster.sandbox.create()
    await asyncio.to_thread(old.set_up, cluster.env)
    for name in EVERY_SERVICE:
        cluster.running[name] = old.start((name,), cluster.env, cluster.logs / f"{name}.log", SNAPSHOT_OFTEN)
    await cluster.ready(*EVERY_SERVICE)
    report(f"{len(EVERY_SERVICE)} processes of {old.name} are ready")
    async with running_load(cluster, cluster.logs, rate=MESSAGES_PER_SECOND, models=MODELS) as load:
        await cluster.grows("model.promoted", 20)
        await _migrate(cluster)
        await cluster.grows("model.promoted")
        cluster.start(*NEW.values())
        await cluster.ready(*NEW.values())
        await until(lambda: _shared(cluster), "every group shared by an old and a new process", seconds=60)
        report(f"{len(NEW)} new processes share groups and locks with the old ones, {await _facts(cluster)} facts")
        await cluster.grows("model.promoted", 20)
        for name in EVERY_SERVICE:
            await cluster.stop(name)
            await cluster.grows(PROGRESS[name], 2)
            report(f"the old {name} has ended, others do its work, {await _facts(cluster)} facts")
        await _migrate(cluster, "--after")
        await cluster.grows("model.promoted")
    return load


async def _migrate(cluster: Cluster, *arguments: str) -> None:
    command = (sys.executable, "-m", "operations", "setup", *arguments)
    setup = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=cluster.env, stdout=-1, stderr=-2)
    output, _ = await setup.communicate()
    assert setup.returncode == 0, output.decode()
    report(f"`operations {' '.join(('setup', *arguments))}` made {len(output.splitlines())} changes")


async def _shared(cluster: Cluster) -> bool:
    """Whether an old and a new process of each deciding service have partitions: each tells the lag of its own."""
    return all(
        "modelog_lag{" in cluster.running[title].get("/metrics") for name in DECIDING for title in (name, NEW[name])
    )


async def _facts(cluster: Cluster) -> int:
    log = await cluster.log()
    try:
        return int(await log.fetchval("select count(*) from log.event"))
    finally:
        await log.close()


async def _verify(cluster: Cluster, load: Load) -> str:
    """Raise AssertionError where something was lost, doubled or parked; return the summary."""
    await wait_until_idle(cluster)
    lines = [line for running in cluster.running.values() for line in running.lines()]
    bugs = [line for line in lines if line.get("event") in BUG_EVENTS]
    assert not bugs, f"bugs were logged, so records are parked: {bugs}"
    await check(cluster, load)
    log = await cluster.log()
    try:
        assert await log.fetchval("select to_regclass('log.snapshot') is null"), "log.snapshot was not dropped"
        schemas = await log.fetch("select meta ->> 'schema', count(*) from log.event group by 1 order by 1")
    finally:
        await log.close()
    return (
        f"{len(load.sent)} messages: 0 lost, 0 answered twice, {len(load.garbage)} parked, all of them garbage; "
        f"facts {', '.join(f'of schema {schema}: {count}' for schema, count in schemas)}; the views equal a rebuild"
    )


async def run(commit: str) -> None:
    """Clone, install, start servers of its own, upgrade and verify."""
    old = await asyncio.to_thread(Checkout.of, commit, ROOT / ".modelog" / "upgrade-from")
    report(f"{old.name} is cloned and installed")
    logs = Path(mkdtemp(prefix="modelog-upgrade-"))
    with Servers() as servers:
        cluster = Cluster(servers.addresses, logs)
        try:
            load = await upgrade(cluster, old)
            report("the load has ended")
            report(await _verify(cluster, load))
        finally:
            await cluster.kill(*cluster.running)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-upgrade FROM=", description=__doc__)
    parser.add_argument("commit", help="the commit of the old processes")
    try:
        asyncio.run(run(parser.parse_args().commit))
    except (AssertionError, subprocess.CalledProcessError) as reason:
        report(f"FAILED: {reason}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
