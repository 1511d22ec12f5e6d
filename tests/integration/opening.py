"""Opening a registry: a registry on the shared servers, with every deciding service and the relay in this process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaProducer
from modelog.manifest import blob_key
from modelog.values import Artifact, File

from operations.setup import setup
from services import component, names
from shared.runtime.postgres import connect
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack import Addresses
from tests.integration.in_process import BYTES, InProcessRegistry


@asynccontextmanager
async def opened(stack: Addresses) -> AsyncIterator[InProcessRegistry]:
    """A registry of its own on the shared servers, every deciding service and the relay in it."""
    tag = secrets.token_hex(4)
    owner = await asyncpg.connect(stack.postgres)
    await owner.execute(f"create database desk_{tag}")
    url = urlsplit(stack.postgres)._replace(path=f"/desk_{tag}").geturl()
    settings = _settings(stack, url, tag)
    await setup(settings)
    pool = await connect(url, settings.postgres_role)
    process = Runtime(settings, pool, settings.read_policy())
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_servers, acks="all", max_request_size=7 * 1024**2)
    await producer.start()
    digest = sha256(BYTES).hexdigest()
    registry = InProcessRegistry(
        settings, process, producer, Artifact(files=(File(path="model.pkl", size=len(BYTES), sha256=digest),))
    )
    await asyncio.to_thread(registry.put, blob_key(digest), BYTES)
    try:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(component(name).run(process)) for name in names() if name != "views"]
            parked = group.create_task(registry.collect())
            yield registry
            process.stopping.set()
            await asyncio.wait(parts)
            parked.cancel()
    finally:
        await producer.stop()
        await pool.close()
        await owner.execute(f"drop database desk_{tag} with (force)")
        await owner.close()


def _settings(stack: Addresses, url: str, tag: str) -> Settings:
    return Settings.model_validate(
        {
            "kafka_servers": stack.kafka,
            "postgres_url": url,
            "s3_endpoint": stack.s3_endpoint,
            "s3_access_key": stack.s3_access_key,
            "s3_secret_key": stack.s3_secret_key,
            "s3_bucket": f"registry-{tag}",
            "topic_prefix": f"registry-{tag}.",
            "topic_partitions": 1,
        }
    )
