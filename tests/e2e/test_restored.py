"""The drill of `docs/operations.md`: Postgres is restored from a backup without its last commits."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stack import NativeServers
from stack.postgres import postgres_home
from stack.waiting import until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.installation import facts
from tests.e2e.invariants import check
from tests.e2e.load import running_load
from tests.e2e.watching import wait_until_idle

VIEWS = "select oid::regclass::text from pg_class where relnamespace = 'registry'::regnamespace and relkind = $1"


@pytest.fixture(scope="module")
def native() -> Iterator[NativeServers]:
    """Servers whose files can be copied."""
    with NativeServers() as servers:
        yield servers


def back_up(servers: NativeServers, backup: Path) -> None:
    """Copy the data of Postgres."""
    servers.stop("postgres")
    subprocess.run(["cp", "-a", postgres_home(servers.directory / "postgres") / "data", backup], check=True)
    servers.start("postgres")


def restore(servers: NativeServers, backup: Path) -> None:
    """End Postgres as when its machine fails, and start it with the data of the backup."""
    servers.kill("postgres")
    data = postgres_home(servers.directory / "postgres") / "data"
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", backup, data], check=True)
    servers.start("postgres")


async def drop_views(cluster: Cluster) -> None:
    owner = await cluster.log()
    for kind, what in (("v", "view"), ("r", "table")):
        for (name,) in await owner.fetch(VIEWS, kind.encode()):
            await owner.execute(f"drop {what} if exists {name} cascade")
    await owner.close()


async def delete_topics_of_facts(cluster: Cluster) -> None:
    names = {cluster.prefix + name for name in facts()}
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_servers)
    await admin.start()
    await admin.delete_topics(sorted(names))

    async def deleted() -> bool:
        return not names & set(await admin.list_topics())

    await until(deleted, "the topics deleted")
    await admin.close()


async def operations(cluster: Cluster, *arguments: str) -> tuple[int, str]:
    """The exit status of a command, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operations", *arguments), env=cluster.env, stdout=-1, stderr=-2
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def position(cluster: Cluster) -> int:
    log = await cluster.log()
    try:
        return int(await log.fetchval("select max(position) from log.event"))
    finally:
        await log.close()


@pytest.mark.parametrize(
    ("promotions", "end"), [(3, Cluster.stop), pytest.param(20, Cluster.kill, marks=pytest.mark.long)]
)
async def test_after_a_restore_every_message_is_answered_once_and_topics_and_views_are_those_of_the_log(
    native: NativeServers, tmp_path: Path, promotions: int, end: Callable[[Cluster, str], Awaitable[None]]
) -> None:
    async with new_cluster(native.addresses, tmp_path) as cluster:
        cluster.start("all")
        await cluster.ready("all")
        async with running_load(cluster, tmp_path, rate=15, models=10) as load:
            await cluster.grows("model.promoted", by=promotions)
            await cluster.stop("all")
            await asyncio.to_thread(back_up, native, tmp_path / "backup")
            kept = await position(cluster)
            cluster.start("all")
            await cluster.grows("model.promoted", by=promotions)
        await wait_until_idle(cluster)
        lost = await position(cluster) - kept
        await end(cluster, "all")

        await asyncio.to_thread(restore, native, tmp_path / "backup")
        assert await position(cluster) == kept
        await delete_topics_of_facts(cluster)
        await drop_views(cluster)
        assert (await operations(cluster, "setup"))[0] == 0

        async def restored() -> str | None:  # Kafka takes a while to forget the members of a process that was killed
            status, output = await operations(cluster, "restored")
            return None if status else output

        output = await until(restored, "the registry restored", every=2)
        assert f"The log ends at position {kept}; behind it the epoch is 2." in output
        assert lost > 0

        cluster.start("all")
        await cluster.ready("all")
        await wait_until_idle(cluster)
        await check(cluster, load)
