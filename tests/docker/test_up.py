"""`make up`, `make down` and what runs against them, on containers, in a checkout with an earlier installation."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from stack.waiting import wait_until
from tests.docker.checkouts import Checkout, checkout
from tests.odd_secrets import EVERY_CHARACTER

pytestmark = pytest.mark.docker
EARLIER = ("postgres", "postgres-modelog_app", "postgres-modelog_ask", "s3")
REPORT = """
import sys
from modelog import SyncRegistry
with SyncRegistry() as registry:
    registry.trained("fraud", run=sys.argv[1], files="model.joblib", metrics={"auc": 0.9})
"""
COUNT = ("-m", "stack", "psql", "-At", "-c", "select count(*) from registry.version")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout in which `make up` kept passwords of every character before there was a `.env`, and its containers."""
    with checkout(tmp_path_factory.mktemp("up") / "checkout") as found:
        (found.folder / "model.joblib").write_bytes(b"\x80\x04N.")
        (found.folder / ".modelog").mkdir()
        for number, name in enumerate(EARLIER):
            (found.folder / ".modelog" / f"compose-{name}-secret").write_text(f"{number}{EVERY_CHARACTER}")
        found.make("up")
        yield found


def report(installation: Checkout, run: str) -> None:
    """Report a run, and wait until its version is in the views."""
    before = versions(installation)
    succeeds(installation, "-c", REPORT, run)
    wait_until(lambda: versions(installation) == before + 1, "the version in the views")


def versions(installation: Checkout) -> int:
    return int(succeeds(installation, *COUNT))


def succeeds(installation: Checkout, *arguments: str) -> str:
    ended = installation.python(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def fails(installation: Checkout, **env: str) -> str:
    """What `make up` prints last when it fails."""
    ended = installation.python("-m", "stack", "up", env=env)
    assert ended.returncode == 1, ended.stdout
    return ended.stderr.splitlines()[-1]


def started(installation: Checkout) -> dict[str, tuple[str, str]]:
    """Id and start of every container but setup, which runs at every start."""
    found = installation.containers()
    return {name: (found[name]["Id"], found[name]["State"]["StartedAt"]) for name in found if name != "setup"}


def test_after_up_compose_needs_nothing_but_the_file_it_wrote(installation: Checkout) -> None:
    states = installation.compose("ps", "--all", "--format", "{{.State}} {{.ExitCode}} {{.Health}}").splitlines()
    assert set(states) == {"running 0 healthy", "exited 0 "}
    assert (installation.folder / ".env").stat().st_mode & 0o777 == 0o600


def test_programs_of_the_checkout_find_the_containers_whatever_their_passwords_are(installation: Checkout) -> None:
    report(installation, "first")
    assert succeeds(installation, "-m", "operations", "parked") == "0 parked.\n"
    succeeds(installation, "-m", "operations", "rebuild")
    assert versions(installation) >= 1


def test_up_again_changes_nothing(installation: Checkout) -> None:
    before = started(installation)
    assert "make down" in installation.make("up")
    assert started(installation) == before


def test_up_starts_again_what_was_stopped_and_what_does_not_answer(installation: Checkout) -> None:
    before = versions(installation)
    installation.compose("stop", "postgres", "relay")
    installation.compose("pause", "views")
    assert "views does not answer: it is started again." in installation.make("up")
    assert {container["State"]["Status"] for container in installation.containers().values()} == {"running", "exited"}
    assert versions(installation) == before
    report(installation, "after a repair")


def test_up_runs_the_code_of_the_checkout(installation: Checkout) -> None:
    (installation.folder / "services" / "changed.txt").write_text("today")
    before = started(installation)
    installation.make("up")
    assert installation.compose("exec", "-T", "relay", "cat", "services/changed.txt") == "today"
    after = started(installation)
    assert {name for name in before if before[name] == after[name]} == {"kafka", "postgres", "s3"}


def test_a_wrong_password_of_the_owner_is_named(installation: Checkout) -> None:
    file = installation.folder / ".env"
    right = file.read_text()
    file.write_text(right.replace('MODELOG_POSTGRES_OWNER_PASSWORD="', 'MODELOG_POSTGRES_OWNER_PASSWORD="wrong'))
    try:
        sentence = fails(installation)
    finally:
        file.write_text(right)
    assert "setup is exited with status 1: Postgres at postgres:5432 refuses to log in" in sentence
    assert "docker compose logs setup" in sentence


def test_a_port_of_another_program_is_named(installation: Checkout) -> None:
    port = installation.containers()["s3"]["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
    installation.compose("stop", "s3")
    with socket.create_server(("127.0.0.1", int(port))):
        assert f"Port {port} of this machine is in use, so s3 cannot have it" in fails(installation)
    installation.make("up")


def test_another_checkout_leaves_the_containers_alone(
    installation: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = started(installation)
    with checkout(tmp_path_factory.mktemp("another") / "checkout") as another:
        name = {"COMPOSE_PROJECT_NAME": installation.project}
        assert f"{installation.project}_postgres, and its passwords are not here" in fails(another, **name)
        (another.folder / ".env").write_text((installation.folder / ".env").read_text())
        assert f"{installation.folder} has containers of the name {installation.project}" in fails(another)
        (another.folder / ".env").unlink()
    assert started(installation) == before


def test_down_keeps_the_data_and_erase_deletes_it(installation: Checkout) -> None:
    before = versions(installation)
    installation.make("down")
    assert not installation.containers()
    installation.make("up")
    assert versions(installation) == before
    installation.make("down", "--erase")
    left = installation.docker(
        "volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={installation.project}"
    )
    assert left == ""
