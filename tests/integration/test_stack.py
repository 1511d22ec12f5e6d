import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stack import NativeServers, probes
from stack.servers import Name, erase
from stack.waiting import wait_until
from tests.notes import read_object, read_record, read_rows, write_object, write_record, write_row

ROOT = Path(__file__).parents[2]
NAMES: tuple[Name, ...] = ("kafka", "postgres", "s3")
OWNER = """
import json, signal
from stack import NativeServers
with NativeServers() as servers:
    print(json.dumps([servers.pid(name) for name in ("kafka", "postgres", "s3")]))
    print(servers.directory, flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def native() -> Iterator[NativeServers]:
    with NativeServers() as started:
        yield started


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "kept"
    erase(tmp_path / "kept")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    for package in ("stack", "operations"):
        shutil.copytree(ROOT / package, tmp_path / package)
    yield tmp_path
    stack(tmp_path, "down", "--erase")


def test_every_server_answers(native: NativeServers) -> None:
    where = native.addresses
    probes.kafka(where.kafka)
    probes.postgres(where.owner)
    probes.s3(where.s3_endpoint, where.s3_access_key, where.s3_secret_key)


async def test_a_committed_row_outlives_a_killed_postgres(native: NativeServers) -> None:
    await write_row(native.addresses)
    native.kill("postgres")
    native.start("postgres")
    assert await read_rows(native.addresses) == ["kept"]


async def test_an_acknowledged_record_outlives_a_killed_kafka(native: NativeServers) -> None:
    await write_record(native.addresses)
    native.kill("kafka")
    native.start("kafka")
    assert await read_record(native.addresses) == b"kept"


def test_a_stored_object_outlives_a_killed_s3(native: NativeServers) -> None:
    write_object(native.addresses)
    native.kill("s3")
    native.start("s3")
    assert read_object(native.addresses) == b"kept"


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_server_is_gone_until_it_is_started_again_where_it_was(native: NativeServers, name: Name) -> None:
    before = native.addresses
    process = psutil.Process(native.pid(name))
    native.stop(name)
    assert not process.is_running()
    native.start(name)
    assert native.addresses == before


async def test_data_in_a_folder_is_there_at_the_next_start(kept: Path) -> None:
    with NativeServers(kept) as first:
        await write_row(first.addresses)
        await write_record(first.addresses)
        write_object(first.addresses)
    with NativeServers(kept) as second:
        assert second.addresses == first.addresses
        assert await read_rows(second.addresses) == ["kept"]
        assert await read_record(second.addresses) == b"kept"
        assert read_object(second.addresses) == b"kept"


def test_nothing_is_left_when_they_are_closed() -> None:
    with NativeServers() as started:
        processes = [psutil.Process(started.pid(name)) for name in NAMES]
    assert not any(process.is_running() for process in processes)
    assert not started.directory.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
def test_no_server_outlives_its_guard() -> None:
    with NativeServers() as started:
        processes = [psutil.Process(started.pid(name)) for name in NAMES]
        for process in processes:
            guard = process.parent()
            assert guard
            guard.kill()
        wait_until(lambda: all(gone(process) for process in processes), "no server", seconds=30)
    assert not started.directory.exists()


def test_nothing_is_left_when_their_owner_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, cwd=ROOT) as owner:
        assert owner.stdout
        pids, directory = json.loads(owner.stdout.readline()), Path(owner.stdout.readline().decode().strip())
        family = [
            process for pid in pids for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        ]
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: all(gone(process) for process in family), "no process", seconds=30)
    wait_until(lambda: not directory.exists(), "no folder", seconds=30)


def test_up_starts_nothing_twice_and_down_ends_all_of_it(checkout: Path) -> None:
    first = stack(checkout, "up", "--servers-only")
    daemon = psutil.Process(json.loads((checkout / ".modelog" / "up.json").read_text())["pid"])
    family = [daemon, *daemon.children(recursive=True)]
    again = stack(checkout, "up", "--servers-only")
    assert first == again
    assert daemon.children(recursive=True)
    stack(checkout, "down")
    assert all(gone(process) for process in family)
    assert not (checkout / ".modelog" / "env").exists()


def test_down_ends_nothing_that_up_did_not_start(checkout: Path, native: NativeServers) -> None:
    stack(checkout, "down")
    probes.kafka(native.addresses.kafka)


def stack(checkout: Path, *arguments: str) -> str:
    command, env = [sys.executable, "-m", "stack", *arguments], os.environ | {"MODELOG_STACK": "native"}
    done = subprocess.run(command, cwd=checkout, env=env, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    return done.stdout


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
