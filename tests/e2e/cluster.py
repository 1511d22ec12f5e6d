"""A registry in which every service is its own process, on servers that may be killed under it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from modelog import Registry
from modelog.events import BY_TYPE, Fact

from operations.setup import setup
from services import names
from shared.runtime.settings import Settings
from stack import Addresses
from stack.servers import together
from tests.e2e.process import Running, until

DECIDING = tuple(name for name in names() if name not in ("relay", "views"))
EVERY = tuple(names())


class Cluster:
    """Processes by title: `ingestion` is one of ingestion, `ingestion-2` another, `all` runs every service."""

    def __init__(self, addresses: Addresses, logs: Path, **told: str) -> None:
        tag = secrets.token_hex(3)
        self.logs = logs
        self.env = {
            **addresses.env,
            "MODELOG_POSTGRES_URL": urlsplit(addresses.postgres)._replace(path=f"/e2e_{tag}").geturl(),
            "MODELOG_TOPIC_PREFIX": f"cluster-{tag}.",
            "MODELOG_S3_BUCKET": f"cluster-{tag}",
            "MODELOG_TOPIC_PARTITIONS": "4",
            "MODELOG_GRACEFUL_SECONDS": "5",
            "MODELOG_HEALTH_PORT": "0",
            **told,
        }
        self.owner = addresses.postgres
        self.settings = Settings.model_validate({n.removeprefix("MODELOG_").lower(): v for n, v in self.env.items()})
        self.prefix = self.settings.topic_prefix
        self.running: dict[str, Running] = {}

    async def create(self) -> None:
        """The database, and nothing in it."""
        owner = await asyncpg.connect(self.owner)
        await owner.execute(f"create database {urlsplit(self.env['MODELOG_POSTGRES_URL']).path[1:]}")
        await owner.close()

    async def set_up(self) -> None:
        """Schema, topics and bucket."""
        await setup(self.settings)

    def start(self, *titles: str) -> None:
        """Start these, each as a process of its own."""
        for title in titles:
            name = title.partition("-")[0]
            names = () if name == "all" else (name,)
            self.running[title] = Running(title, names, os.environ | self.env, self.logs / f"{title}.log")

    async def ready(self, *titles: str, limit: float = 90.0) -> None:
        """Wait until these are ready."""
        for title in titles:

            async def is_ready(title: str = title) -> bool:
                assert self.running[title].alive, f"{title} ended: {self.running[title].lines()[-3:]}, see {self.logs}"
                return (await asyncio.to_thread(self.running[title].ready))[0]

            await until(is_ready, f"{title} ready ({self.logs})", limit)

    async def kill(self, *titles: str) -> None:
        """kill -9, all at once."""
        await asyncio.to_thread(together, [self.running[title].kill for title in titles])

    async def stop(self, *titles: str) -> None:
        """SIGTERM, all at once, and wait until they are gone."""
        await asyncio.to_thread(together, [partial(self._end, title) for title in titles])

    def _end(self, title: str) -> None:
        self.running[title].stop()

    def registry(self) -> Registry:
        """A client of this registry."""
        return Registry(
            self.settings.kafka_servers, prefix=self.prefix, source="/pipelines", store=self.settings.store()
        )

    async def log(self) -> asyncpg.Connection:
        """A connection to the log."""
        return await asyncpg.connect(self.env["MODELOG_POSTGRES_URL"])

    async def logged(self, kind: str) -> int:
        """How many facts of a kind there are."""
        connection = await self.log()
        try:
            return int(await connection.fetchval("select count(*) from log.event where kind = $1", kind))
        finally:
            await connection.close()

    async def grows(self, kind: str, by: int = 5, limit: float = 90.0) -> None:
        """Wait until so many more facts of a kind are logged."""
        before = await self.logged(kind)

        async def more() -> bool:
            return await self.logged(kind) >= before + by

        await until(more, f"{by} more {kind} behind the {before} ({self.logs})", limit, every=0.5)


def facts() -> list[str]:
    """The name of every fact."""
    return [name for name, event in BY_TYPE.items() if issubclass(event, Fact)]


@asynccontextmanager
async def new_cluster(addresses: Addresses, logs: Path, **told: str) -> AsyncIterator[Cluster]:
    """A registry that is set up; whatever was started in it is ended."""
    cluster = Cluster(addresses, logs, **told)
    await cluster.create()
    await cluster.set_up()
    try:
        yield cluster
    finally:
        await cluster.kill(*cluster.running)
