"""Ask each server, and the services, whether they are ready; an error means that they are not."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import urlopen

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from minio import Minio
from urllib3 import PoolManager

from stack.supervisor import Guarded
from stack.terminal import StackError
from stack.waiting import wait_until

ANSWER_SECONDS = 5.0


def kafka(servers: str, **security: object) -> None:
    """Ask Kafka for its brokers; `security` are arguments of aiokafka."""

    async def ask() -> None:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=servers, request_timeout_ms=int(ANSWER_SECONDS * 1000), **security
        )
        try:
            await admin.start()
            if not (await admin.describe_cluster())["brokers"]:
                raise ConnectionError("no broker has registered yet")
        finally:
            await admin.close()

    run_in_thread(ask())


def postgres(url: str) -> None:
    """Run a statement in Postgres."""

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=ANSWER_SECONDS)
        try:
            await connection.fetchval("select 1", timeout=ANSWER_SECONDS)
        finally:
            await connection.close()

    run_in_thread(ask())


def s3(endpoint: str, access_key: str, secret_key: str) -> None:
    """List the buckets of S3, with the keys."""
    where = urlsplit(endpoint)
    asking = PoolManager(timeout=ANSWER_SECONDS, retries=False)  # minio's own waits for minutes
    client = Minio(
        where.netloc,
        access_key,
        secret_key,
        secure=where.scheme == "https",
        region="us-east-1",
        http_client=asking,
    )
    client.list_buckets()


def run_in_thread(question: Coroutine[None, None, None]) -> None:
    """Run it in a thread and a loop of its own: the caller may have a loop running already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, question).result()


def services_are_ready(port: int | str) -> bool:
    """Whether the process with this health port answers `/readyz` with 200 now."""
    return _answers(f"http://127.0.0.1:{port}/readyz")


def services_are_alive(port: int | str) -> bool:
    """Whether it answers `/livez` with 200, though it may wait for a server."""
    return _answers(f"http://127.0.0.1:{port}/livez")


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def wait_for_services(name: str, process: Guarded, port: int | str, seconds: float) -> None:
    """Return when they are ready; raise StackError when the process ends, or when `seconds` have passed."""
    try:
        wait_until(lambda: not process.alive or services_are_ready(port), "readiness", seconds=seconds, every=0.02)
    except TimeoutError:
        raise StackError(f"{name} did not get ready within {seconds:.0f} s") from None
    if not process.alive:
        raise StackError(f"{name} ended while starting")
