"""A registry that is one path's alone: a database, topics and a bucket, gone afterwards."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from minio.deleteobjects import DeleteObject
from modelog.events import BY_TYPE

from operations.setup import setup
from shared.bus.topics import PARKED
from shared.runtime.postgres import connect
from shared.runtime.settings import Settings
from stack import Addresses

FLOOR = """
create schema floor;
create table floor.event (
  position bigserial primary key, stream text collate "C" not null, version int not null,
  kind text collate "C" not null, id uuid not null, at timestamptz not null default clock_timestamp(),
  data jsonb not null, meta jsonb not null
);
create index on floor.event (stream, version);
"""
"""Where bare drivers write: the log's columns and indexes, without heads, horizon and partitions."""


@dataclass(frozen=True)
class Place:
    """Where a path is measured, as processes and as this one are told of it."""

    addresses: Addresses
    settings: Settings

    def owner(self, size: int = 1) -> asyncpg.Pool:
        """A pool of who may do everything, to be opened with `async with`."""
        return asyncpg.create_pool(self.addresses.postgres, min_size=1, max_size=size)

    async def service(self, size: int = 4) -> asyncpg.Pool:
        """A pool as the services have it."""
        return await connect(self.addresses.postgres, self.settings.postgres_role, size)


@asynccontextmanager
async def placed(addresses: Addresses, lent: bool) -> AsyncIterator[Place]:
    """A fresh registry on these servers. Servers that are ours alone take its topics with them when they end."""
    tag = f"bench_{secrets.token_hex(4)}"
    url = urlsplit(addresses.postgres)._replace(path=f"/modelog_{tag}").geturl()
    own = replace(addresses, postgres=url, s3_bucket=f"modelog-{tag.replace('_', '-')}", topic_prefix=f"{tag}.")
    place = Place(own, _settings(own))
    await _order(addresses.postgres, f"create database modelog_{tag}")
    try:
        await setup(place.settings)
        await _order(url, FLOOR)
        await _led(place.settings)
        yield place
    finally:
        await _order(addresses.postgres, f"drop database modelog_{tag} with (force)")
        if lent:
            await _remove_topics(place.settings)
            await asyncio.to_thread(_remove_bucket, place.settings)


def _settings(own: Addresses) -> Settings:
    told = {name.removeprefix("MODELOG_").lower(): value for name, value in own.env.items()}
    return Settings.model_validate(told)


async def _order(postgres: str, statement: str) -> None:
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _led(settings: Settings) -> None:
    """Return when every partition has a leader that answers: for a fresh topic that takes a while."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_servers, request_timeout_ms=60_000)
    await consumer.start()
    try:
        topics = [settings.topic_prefix + name for name in (*BY_TYPE, PARKED)]
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(settings.topic_partitions)]
        await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()


async def _remove_topics(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_servers)
    await admin.start()
    try:
        await admin.delete_topics(
            [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
        )
    finally:
        await admin.close()


def _remove_bucket(settings: Settings) -> None:
    client, bucket = settings.store().client, settings.s3_bucket
    if client.bucket_exists(bucket):
        found = client.list_objects(bucket, recursive=True)
        assert not list(client.remove_objects(bucket, (DeleteObject(one.object_name or "") for one in found)))
        client.remove_bucket(bucket)
