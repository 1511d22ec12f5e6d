"""Which answers of the program `docker` mean that containers can be started for this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack import StackError, engine
from stack.containers import Containers
from stack.engine import docker_answers, engine_problem, is_local

ANSWERS = 'case "$1" in version) echo 28.5 ;; context) echo {endpoint} ;; esac'
Program = Callable[[str], None]


@pytest.fixture(autouse=True)
def asked_again() -> Iterator[None]:
    """The answer is kept for the time of a process."""
    engine_problem.cache_clear()
    yield
    engine_problem.cache_clear()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Make this script of a shell the only program `docker`."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def made(script: str) -> None:
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return made


@pytest.mark.parametrize("endpoint", ["unix:///var/run/docker.sock", "npipe:////./pipe/docker", "tcp://127.0.0.1:1"])
def test_an_engine_on_this_machine_is_used(docker: Program, endpoint: str) -> None:
    docker(ANSWERS.format(endpoint=endpoint))
    assert docker_answers()


def test_a_client_without_contexts_has_an_engine_on_this_machine(docker: Program) -> None:
    docker('[ "$1" = version ]')
    assert docker_answers()


def test_without_the_program_no_engine_answers(docker: Program) -> None:
    assert engine_problem() == "There is no program `docker` on the PATH."


def test_without_an_engine_the_last_line_of_the_client_is_the_reason(docker: Program) -> None:
    docker("echo Client: 28.5 >&2; echo Cannot connect to the daemon. >&2; exit 1")
    assert engine_problem() == "No Docker engine answers: Cannot connect to the daemon."


@pytest.mark.parametrize("endpoint", ["ssh://ada@far.example.com", "tcp://10.0.0.7:2376"])
def test_an_engine_on_another_machine_is_not_used_and_named(docker: Program, endpoint: str) -> None:
    docker(ANSWERS.format(endpoint=endpoint))
    assert not docker_answers()
    assert f"The Docker engine at {endpoint} is on another machine" in engine_problem()


def test_an_engine_that_hangs_is_asked_once_and_mentioned(
    docker: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 0.05)
    docker("exec /bin/sleep 60")
    assert not docker_answers()
    assert "did not answer within 0 s. MODELOG_STACK=native" in capsys.readouterr().err
    docker(ANSWERS.format(endpoint="unix:///var/run/docker.sock"))
    assert not docker_answers()


def test_containers_that_were_asked_for_end_with_the_reason(docker: Program) -> None:
    with pytest.raises(StackError, match=r"no program `docker` on the PATH\. MODELOG_STACK=native works without"):
        Containers()


def test_an_address_without_a_scheme_is_on_this_machine() -> None:
    assert is_local("")
