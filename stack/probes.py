"""Ask each server the question that proves it answers; whatever is raised says it does not."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from minio import Minio


def kafka(servers: str) -> None:
    """Ask Kafka for its cluster."""

    async def ask() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=5000)
        try:
            await admin.start()
            if not (await admin.describe_cluster())["brokers"]:
                raise ConnectionError("no broker has registered yet")
        finally:
            await admin.close()

    wait(ask())


def postgres(url: str) -> None:
    """Ask Postgres for one."""

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            await connection.fetchval("select 1")
        finally:
            await connection.close()

    wait(ask())


def wait(question: Coroutine[None, None, None]) -> None:
    """Wait for a question in a thread of its own: whoever calls may have a loop running already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, question).result()


def s3(endpoint: str, access_key: str, secret_key: str) -> None:
    """Ask S3 which buckets there are, with the keys."""
    where = urlsplit(endpoint)
    client = Minio(where.netloc, access_key, secret_key, secure=where.scheme == "https", region="us-east-1")
    client.list_buckets()
