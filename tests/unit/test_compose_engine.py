"""What `make up` prints about an engine that it cannot use, and about containers that do not start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stack import StackError, compose_failure
from stack.compose_engine import OTHERWISE, check_engine, numbers
from stack.compose_failure import why
from stack.ports import free_port

Docker = Callable[..., None]
GOOD = {"version": "echo 1.51 28.5.1", "compose version": "echo 2.40.3"}


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Docker:
    """Put a program of this name on the path; it runs the line of shell whose name its arguments begin with."""

    def answer(lines: dict[str, str]) -> None:
        cases = "".join(f'"{name}"*) {line} ;;\n' for name, line in lines.items())
        (tmp_path / "docker").write_text(f'#!/bin/sh\ncase "$*" in\n{cases}*) exit 1 ;;\nesac\n')
        (tmp_path / "docker").chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return answer


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"version": "echo no daemon >&2; exit 1"}, r"does not answer \(no daemon\): start it"),
        ({"version": "echo 1.41 20.10.24"}, "The Docker engine is 20.10.24: 25.0 or newer is needed"),
        ({"compose version": "exit 125"}, "its plugin Compose is missing"),
        ({"compose version": "echo v2.23.3-desktop.2"}, "Docker Compose is 2.23.3-desktop.2: 2.24 or newer is needed"),
    ],
)
def test_an_engine_that_cannot_be_used_is_a_sentence(docker: Docker, wrong: dict[str, str], sentence: str) -> None:
    docker(GOOD | wrong)
    with pytest.raises(StackError, match=f"{sentence}.*MODELOG_STACK=native"):
        check_engine()


@pytest.mark.parametrize("compose", ["2.24.0", "v2.40.3-desktop.1", "5.0.0", "dev"])
def test_an_engine_that_can_be_used_is_used(docker: Docker, compose: str) -> None:
    docker({"version": "echo 1.44 25.0.0", "compose version": f"echo {compose}"})
    check_engine()


def test_versions_are_compared_as_numbers() -> None:
    assert numbers("2.9.1") < numbers("2.24.0-desktop.1") < numbers("2.40.3")


def test_an_engine_that_ended_meanwhile_is_named(docker: Docker) -> None:
    docker({})
    assert why() == "The Docker engine has stopped answering: start it, then run `make up` again"


def test_a_full_disk_is_named(docker: Docker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compose_failure, "MIN_FREE_BYTES", 1 << 60)
    docker({"info": f"echo {tmp_path}"})
    assert f"The disk of Docker ({tmp_path}) is full" in (why() or "")


def containers(port: int, **state: object) -> dict[str, str]:
    """A Postgres that Docker shows in this state."""
    service = {"image": "postgres:18.4", "ports": [{"published": str(port)}]}
    row = {"Service": "postgres", "State": "running", "ExitCode": 0, "Health": "healthy"} | state
    return {
        "info": "echo /nowhere",
        "compose config": f"echo '{json.dumps({'services': {'postgres': service}})}'",
        "compose ps": f"echo '{json.dumps(row)}'",
        "compose logs": "echo out of memory",
    }


def test_an_image_that_could_not_be_pulled_is_named(docker: Docker) -> None:
    docker(containers(free_port()))
    assert why() == f"The image postgres:18.4 could not be pulled, see above: try again, {OTHERWISE}"


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"Health": "unhealthy"}, "unhealthy"),
        ({"State": "exited", "Health": "", "ExitCode": 137}, "exited with status 137"),
        ({"State": "restarting", "Health": ""}, "restarting with status 0"),
    ],
)
def test_a_container_that_fails_is_named_with_its_last_line(
    docker: Docker, state: dict[str, object], found: str
) -> None:
    docker(containers(free_port(), **state) | {"image inspect": "true"})
    assert why() == f"postgres is {found}: out of memory (docker compose logs postgres)"


def test_nothing_is_named_where_nothing_is_wrong(docker: Docker) -> None:
    docker(containers(free_port()) | {"image inspect": "true"})
    assert why() is None
