"""`make test-upgrade FROM=<commit>`: old and new processes side by side under load, then the old ones end.

The old installation has a single login, the owner's; the new processes get a login of their own.

Prints a line for each step. Ends with status 1 and the reason when a message was lost or answered twice, or when
something was parked that is not garbage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

from stack import NativeServers
from stack.waiting import until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.installation import DECIDING, EVERY_SERVICE
from tests.e2e.invariants import check
from tests.e2e.load import Load, running_load
from tests.e2e.progress import goes_on
from tests.e2e.watching import wait_until_idle
from tests.upgrade.checkout import ROOT, SERVICE, SNAPSHOT_OFTEN, Checkout, as_the_owner

MESSAGES_PER_SECOND = 20
MODELS = 20
MAY_WRITE = "select has_table_privilege('modelog_app', 'log.cursor', 'insert')"
BUG_EVENTS = ("bug", "defect")
"""What a service logs when it parks a record because of a bug of its own; in older commits the word is defect."""

began = time.monotonic()


def report(step: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {step}", flush=True)


async def upgrade(cluster: Cluster, old: Checkout) -> Load:
    """From a registry of old processes to one of new processes, under load that goes on; return what was sent."""
    one_login = as_the_owner(cluster.env)
    await asyncio.to_thread(old.set_up, one_login)
    for name in old.services:
        cluster.running[name] = old.start((name,), one_login, cluster.logs / f"{name}.log", SNAPSHOT_OFTEN)
    await cluster.ready(*old.services)
    report(f"{len(old.services)} processes of {old.name} are ready")
    async with running_load(cluster, cluster.logs, rate=MESSAGES_PER_SECOND, models=MODELS, conflicts=False) as load:
        await cluster.grows("model.promoted", 20)
        assert "give them a login of their own" in await _migrate(one_login), "one login was not named"
        await cluster.grows("model.promoted")
        assert "created the login modelog_app" in await _migrate(cluster.env), "no login was made"
        await cluster.grows("model.promoted")
        new = [f"{name}-new" for name in EVERY_SERVICE]
        cluster.start(*new)
        await cluster.ready(*new)
        shared = [name for name in old.services if name in DECIDING]
        await until(lambda: _shared(cluster, shared), "every group shared by an old and a new process", seconds=60)
        report(f"{len(new)} new processes share groups and locks with the old ones, {await _facts(cluster)} facts")
        await cluster.grows("model.promoted", 20)
        for name in old.services:
            await cluster.stop(name)
            await goes_on(cluster, name)
            report(f"the old {name} has ended, a new process does its work, {await _facts(cluster)} facts")
        await _migrate(cluster.env, "--after")
        await cluster.grows("model.promoted")
    report("the load has ended")
    return load


async def _migrate(env: Mapping[str, str], *arguments: str) -> str:
    """Run setup, and return what it prints."""
    command = (sys.executable, "-m", "operations", "setup", *arguments)
    setup = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ | env, stdout=-1, stderr=-2)
    output, _ = await setup.communicate()
    assert setup.returncode == 0, output.decode()
    user = urlsplit(env[SERVICE]).username
    report(f"`operations {' '.join(('setup', *arguments))}` with services as {user}: {len(output.splitlines())} lines")
    return output.decode()


async def _shared(cluster: Cluster, names: Sequence[str]) -> bool:
    """Whether the old and the new process of each service have partitions: each reports the lag of its own."""
    processes = [cluster.running[title] for name in names for title in (name, f"{name}-new")]
    return all("modelog_lag{" in process.get("/metrics") for process in processes)


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
        assert not await log.fetchval(MAY_WRITE), "the services' login may still write cursors"
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
    with NativeServers() as servers:
        async with new_cluster(servers.addresses, Path(mkdtemp(prefix="modelog-upgrade-")), set_up=False) as cluster:
            report(await _verify(cluster, await upgrade(cluster, old)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-upgrade FROM=", description=__doc__)
    parser.add_argument("commit", help="the commit of the old processes")
    try:
        asyncio.run(run(parser.parse_args().commit))
    except (AssertionError, TimeoutError, subprocess.CalledProcessError) as reason:
        report(f"FAILED: {reason}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
