"""`make up` after something was killed, `make down` after that, and `make psql`, in a checkout of their own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from modelog import Registry

from stack import Addresses
from stack.postgres import postgres_home
from stack.waiting import wait_until

ROOT = Path(__file__).parents[2]
PROGRAMS = ("stack", "operations", "services", "shared")
LIMIT_SECONDS = 240.0
TITLES = {"postgres": "Postgres", "kafka": "Kafka", "s3": "S3", "services": "The services"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkout")
    for name in PROGRAMS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        succeeds(folder, "up")
        yield folder
    finally:
        succeeds(folder, "down", "--erase")


@pytest.fixture
async def row(checkout: Path) -> str:
    """A row that must outlive whatever is killed."""
    connection = await asyncpg.connect(addresses(checkout).owner)
    await connection.execute("create table if not exists note (text text)")
    await connection.execute("insert into note values ('kept')")
    await connection.close()
    return "kept"


@pytest.mark.parametrize("name", TITLES)
async def test_up_starts_again_what_was_killed_and_names_it(checkout: Path, row: str, name: str) -> None:
    before = addresses(checkout)
    psutil.Process(pid_of(checkout, name)).kill()
    assert f"{TITLES[name]} had ended: started again." in succeeds(checkout, "up")
    assert addresses(checkout) == before
    assert row in await rows(checkout)


@pytest.mark.parametrize("name", ["s3", "services"])
def test_up_starts_again_what_does_not_answer(checkout: Path, name: str) -> None:
    psutil.Process(pid_of(checkout, name)).suspend()
    assert f"{TITLES[name]} did not answer: started again." in succeeds(checkout, "up")


async def test_up_starts_everything_again_after_its_process_was_killed(checkout: Path, row: str) -> None:
    before = addresses(checkout)
    psutil.Process(pid_of(checkout, "up")).kill()
    assert "had ended: all is started again." in succeeds(checkout, "up")
    assert addresses(checkout) == before
    assert row in await rows(checkout)


def test_nothing_is_repaired_where_nothing_has_ended(checkout: Path) -> None:
    assert "Already up." in succeeds(checkout, "up")


def test_psql_reads_the_views_and_writes_nothing(checkout: Path) -> None:
    def ask(statement: str) -> subprocess.CompletedProcess[str]:
        return run(checkout, "psql", "--tuples-only", "--no-align", "-c", statement)

    assert ask("select count(*) from registry.serving").stdout == "0\n"
    for statement in ("delete from log.event", "set transaction read write; delete from log.event"):
        refused = ask(statement)
        assert refused.returncode == 1
        assert refused.stderr.startswith("ERROR:")


async def test_down_ends_services_that_wait_for_a_killed_postgres(checkout: Path) -> None:
    where = addresses(checkout)
    psutil.Process(pid_of(checkout, "postgres")).kill()
    async with Registry(where.kafka, prefix=where.topic_prefix) as registry:
        await registry.trained("fraud", run="run-1", uri="s3://modelog/nothing")
    log = checkout / ".modelog" / "services.log"
    waiting = "a transient error, the call is repeated"
    await asyncio.to_thread(wait_until, lambda: waiting in log.read_text(), "a record that waits for Postgres")
    await asyncio.to_thread(succeeds, checkout, "down")
    # A process that was killed, because it took too long, writes no last line.
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "stopped"
    await asyncio.to_thread(succeeds, checkout, "up")


def test_up_names_addresses_of_the_shell_that_do_not_answer(tmp_path: Path) -> None:
    for package in ("stack", "operations"):
        shutil.copytree(ROOT / package, tmp_path / package)
    env = {
        "MODELOG_KAFKA_SERVERS": "127.0.0.1:1",
        "MODELOG_POSTGRES_URL": "postgresql://modelog:hush@127.0.0.1:1/modelog",
        "MODELOG_S3_ENDPOINT": "http://127.0.0.1:1",
    }
    ended = run(tmp_path, "up", **env)
    assert ended.returncode == 1
    assert "do not answer" in ended.stderr or "does not answer" in ended.stderr
    assert f"unset {' '.join(env)}" in ended.stderr
    assert "hush" not in ended.stderr


def addresses(checkout: Path) -> Addresses:
    lines = (checkout / ".modelog" / "env").read_text().splitlines()
    return Addresses.from_env(dict(line.split("=", 1) for line in lines))


async def rows(checkout: Path) -> list[str]:
    connection = await asyncpg.connect(addresses(checkout).owner)
    found = await connection.fetch("select text from note")
    await connection.close()
    return [row["text"] for row in found]


def pid_of(checkout: Path, name: str) -> int:
    folder = checkout / ".modelog"
    if name in ("up", "services"):
        file = folder / f"{name}.json"
    else:
        home = folder / "data" / name
        file = (postgres_home(home) if name == "postgres" else home) / "process"
    return int(json.loads(file.read_text())["pid"])


def succeeds(checkout: Path, *arguments: str) -> str:
    ended = run(checkout, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def run(checkout: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MODELOG_")}
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        cwd=checkout,
        env=own | {"MODELOG_STACK": "native"} | env,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
