"""A registry of its own on servers that others use too: a database, topics and a bucket, all removed at its end."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import urlsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from minio.deleteobjects import DeleteObject

from operations.setup import setup
from shared.runtime.postgres import connect
from shared.runtime.settings import Settings
from stack.addresses import NEEDED, Addresses


@dataclass(frozen=True)
class Sandbox:
    """The names that belong to this registry alone, and how it is made and removed."""

    servers: Addresses
    env: dict[str, str]
    """MODELOG_* for its processes."""
    shared: bool
    """Whether the servers go on after this run: only then its topics and its bucket have to be removed."""

    @classmethod
    def named(cls, servers: Addresses, name: str, **env: str) -> "Sandbox":
        """Draw the names, which begin with `name`; `env` are more settings, MODELOG_* each. Nothing is made yet."""
        tag = f"{name}-{secrets.token_hex(4)}"
        path = f"/{tag.replace('-', '_')}"
        own = servers.with_logins(
            {key: url and urlsplit(url)._replace(path=path).geturl() for key, url in servers.logins.items()}
        )
        own = replace(own, s3_bucket=f"modelog-{tag}", topic_prefix=f"{tag}.")
        return cls(servers, own.env | env, all(os.environ.get(name) for name in NEEDED))

    @property
    def addresses(self) -> Addresses:
        """Where its services and clients connect to."""
        return Addresses.from_env(self.env)

    @cached_property
    def settings(self) -> Settings:
        """The same as the settings of a process."""
        return Settings.model_validate({key.removeprefix("MODELOG_").lower(): self.env[key] for key in self.env})

    def owner(self, size: int = 1) -> asyncpg.Pool:
        """A pool of the database's owner, to be opened with `async with`."""
        return asyncpg.create_pool(self.addresses.owner, min_size=1, max_size=size)

    async def service(self, size: int = 4) -> asyncpg.Pool:
        """A pool of the services' login, with their role."""
        return await connect(**self.settings.postgres, role=self.settings.postgres_role, size=size)

    async def create(self) -> None:
        """Make the database, empty."""
        await self._execute(f"create database {self._database}")

    async def set_up(self) -> list[str]:
        """Make schema, topics and bucket; return a sentence for each."""
        return await setup(self.settings)

    async def remove(self) -> None:
        """Remove all of it, also while others are connected."""
        await self._execute(f"drop database if exists {self._database} with (force)")
        if self.shared:
            await self._remove_topics()
            await asyncio.to_thread(self._remove_bucket)

    @property
    def _database(self) -> str:
        return urlsplit(self.addresses.owner).path.removeprefix("/")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.servers.owner)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _remove_topics(self) -> None:
        admin = AIOKafkaAdminClient(**self.settings.kafka)
        await admin.start()
        try:
            names = [name for name in await admin.list_topics() if name.startswith(self.addresses.topic_prefix)]
            await admin.delete_topics(names)
        finally:
            await admin.close()

    def _remove_bucket(self) -> None:
        client, bucket = self.settings.store().client, self.addresses.s3_bucket
        if client.bucket_exists(bucket):
            objects = client.list_objects(bucket, recursive=True)
            errors = client.remove_objects(bucket, (DeleteObject(found.object_name or "") for found in objects))
            assert not list(errors)
            client.remove_bucket(bucket)


@asynccontextmanager
async def disposable(servers: Addresses, name: str, *, set_up: bool = True, **env: str) -> AsyncIterator[Sandbox]:
    """A registry for the time of the block; without `set_up` only its database is there, empty."""
    sandbox = Sandbox.named(servers, name, **env)
    await sandbox.create()
    try:
        if set_up:
            await sandbox.set_up()
        yield sandbox
    finally:
        await sandbox.remove()
