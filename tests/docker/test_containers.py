"""The servers that tests start in containers: they can be stopped and killed, and they end with their owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stack import images
from stack.containers import Containers
from stack.servers import Name
from stack.waiting import wait_until
from tests.docker.labelled import labelled
from tests.notes import read_object, read_record, read_rows, write_object, write_record, write_row

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
NAMES: tuple[Name, ...] = ("kafka", "postgres", "s3")
LIMIT_SECONDS = 60.0
OWNER = """
import signal
from stack.containers import Containers
with Containers() as containers:
    print(containers.id, flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    with Containers() as started:
        yield started
    assert not labelled(started.id)


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_server_is_gone_until_it_is_started_again_where_it_was(containers: Containers, name: Name) -> None:
    before = containers.addresses
    containers.stop(name)
    assert containers.pid(name) is None
    containers.start(name)
    assert containers.addresses == before


async def test_what_was_stored_outlives_killed_servers(containers: Containers) -> None:
    where = containers.addresses
    await write_row(where)
    await write_record(where)
    write_object(where)
    for name in NAMES:
        containers.kill(name)
        containers.start(name)
    assert await read_rows(where) == ["kept"]
    assert await read_record(where) == b"kept"
    assert read_object(where) == b"kept"


async def test_kafka_ends_transactions(containers: Containers) -> None:
    """It connects to itself for that, from its container, at the address that clients have."""
    admin = AIOKafkaAdminClient(bootstrap_servers=containers.addresses.kafka)
    await admin.start()
    await admin.create_topics([NewTopic("transactions", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=containers.addresses.kafka, transactional_id="note")
    async with asyncio.timeout(LIMIT_SECONDS), producer:
        for _ in range(2):  # the second begins when the first has ended
            async with producer.transaction():
                await producer.send_and_wait("transactions", b"kept")


def test_containers_end_when_their_owner_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, cwd=ROOT, text=True) as owner:
        assert owner.stdout
        id = owner.stdout.readline().strip()
        assert len(labelled(id)) == 3
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not labelled(id), "no container", seconds=60)


def test_a_run_of_tests_with_two_workers_uses_containers_and_prints_how_many_tests_did() -> None:
    modules = [f"tests/integration/test_{name}.py" for name in ("containers", "log")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-k", "label or settled", *modules],
        env=os.environ | {"MODELOG_STACK": "docker"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    line = f"3 tests ran on containers: {images.KAFKA}, {images.POSTGRES}, {images.S3}"
    assert (done.returncode, line in done.stdout) == (0, True), done.stdout
