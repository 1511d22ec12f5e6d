"""A registry that is the demo's alone: a database, topics and a bucket of its own, on whatever servers there are."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from minio.deleteobjects import DeleteObject

from examples.errors import DemoError
from shared.runtime.settings import Settings, settings
from stack import Addresses, running
from stack.addresses import NEEDED


@contextmanager
def ground() -> Iterator[Addresses]:
    """Have the servers answer. From then on the environment of this process names the demo's registry and no other.

    Servers that were named by the environment are left as they were found; all others end.
    """
    lent = all(os.environ.get(name) for name in NEEDED)
    with running() as addresses:
        own = apart(addresses, f"demo_{secrets.token_hex(4)}")
        for name in [name for name in os.environ if name.startswith("MODELOG_")]:
            del os.environ[name]
        os.environ.update(own.env, MODELOG_TOPIC_PARTITIONS="3")
        asyncio.run(order(addresses.postgres, f"create database {database(own)}"))
        try:
            yield own
        finally:
            if lent:
                asyncio.run(remove(addresses, own, settings()))


def apart(addresses: Addresses, tag: str) -> Addresses:
    """The same servers, and nothing on them that anybody else uses."""
    url = urlsplit(addresses.postgres)._replace(path=f"/modelog_{tag}").geturl()
    return replace(addresses, postgres=url, s3_bucket=f"modelog-{tag.replace('_', '-')}", topic_prefix=f"{tag}.")


def database(own: Addresses) -> str:
    return urlsplit(own.postgres).path.removeprefix("/")


async def order(postgres: str, statement: str) -> None:
    try:
        connection = await asyncpg.connect(postgres)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as reason:
        raise DemoError(f"the demo wants a database of its own, but `{statement}` failed: {reason}") from reason


async def remove(addresses: Addresses, own: Addresses, told: Settings) -> None:
    """Take the demo's registry off servers that go on."""
    await order(addresses.postgres, f"drop database {database(own)} with (force)")
    admin = AIOKafkaAdminClient(bootstrap_servers=own.kafka)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(own.topic_prefix)])
    finally:
        await admin.close()
    client = told.store().client
    if client.bucket_exists(own.s3_bucket):
        found = client.list_objects(own.s3_bucket, recursive=True)
        gone = client.remove_objects(own.s3_bucket, (DeleteObject(one.object_name or "") for one in found))
        assert not list(gone)
        client.remove_bucket(own.s3_bucket)
