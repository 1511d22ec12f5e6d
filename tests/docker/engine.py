"""A Docker engine for the tests: one that answers already, else one that is started here and ended with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from stack.cache import cache_directory, one_process_at_a_time
from stack.engine import docker_answers
from stack.terminal import StackError, print_line
from stack.waiting import wait_until
from tests.docker.programs import DEBIAN_PACKAGES, packages, programs, quietly

START_SECONDS = 60.0
STOP_SECONDS = 90.0
LIMITS = ("nofile=10000:10000", "nproc=10000:10000")
"""runc may raise the limits of a container only where root has CAP_SYS_RESOURCE; these are below the usual ones."""


@contextmanager
def engine() -> Iterator[Mapping[str, str]]:
    """The variables with which `docker` and its plugins reach an engine; none where a person's own answers."""
    if docker_answers():
        for plugin in ("compose", "buildx"):
            quietly("docker", plugin, "version")
        yield {}
    else:
        with _engine_of_ours() as variables:
            yield variables


@contextmanager
def _engine_of_ours() -> Iterator[Mapping[str, str]]:
    """An engine with a folder of its own: images and the cache of builds are kept, containers and volumes are not."""
    if os.geteuid() != 0:
        raise StackError("No Docker engine answers: start one. Only root can start one here.")
    if not (shutil.which("containerd") and shutil.which("runc") and shutil.which("iptables")):
        packages(*DEBIAN_PACKAGES)
    built, kept = programs(), cache_directory() / "docker-engine"
    kept.mkdir(exist_ok=True)
    with one_process_at_a_time(kept / "lock"), tempfile.TemporaryDirectory(prefix="docker-") as scratch:
        folder = Path(scratch)
        variables = {
            "DOCKER_HOST": f"unix://{folder}/engine.sock",
            "DOCKER_CONFIG": str(folder / "client"),
            "PATH": f"{built}{os.pathsep}{os.environ['PATH']}",
        }
        (folder / "client").mkdir()
        (folder / "client" / "cli-plugins").symlink_to(built / "cli-plugins")
        log, pid = folder / "log", kept / "pid"
        _end_left_over(pid)
        command: list[str | Path] = [built / "dockerd", "--host", variables["DOCKER_HOST"], "--pidfile", pid]
        command += ["--data-root", kept / "data", "--exec-root", folder / "run"]
        command += [text for limit in LIMITS for text in ("--default-ulimit", limit)]
        print_line("Starting a Docker engine.")
        with log.open("wb") as output:
            daemon = subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=output)
        try:
            _wait_for(daemon, variables, log)
            _remove_all(variables)
            yield variables
            _remove_all(variables)
        finally:
            daemon.terminate()
            daemon.wait(STOP_SECONDS)


def _end_left_over(pid: Path) -> None:
    """End the engine of a run that was killed: it uses the same images."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(pid.read_text()))
        if process.name() == "dockerd":
            process.terminate()
            process.wait(STOP_SECONDS)


def _wait_for(daemon: subprocess.Popen[bytes], variables: Mapping[str, str], log: Path) -> None:
    def answers() -> bool:
        if daemon.poll() is not None:
            raise StackError(f"The Docker engine ended at its start: {log.read_text()[-600:]}")
        question = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(question, env=os.environ | variables, capture_output=True, check=False).returncode == 0

    wait_until(answers, "a Docker engine", seconds=START_SECONDS, every=0.2)


def _remove_all(variables: Mapping[str, str]) -> None:
    """Remove what tests left behind, in this engine that is theirs alone."""
    env = os.environ | variables
    found = subprocess.run(["docker", "ps", "--all", "--quiet"], env=env, capture_output=True, text=True, check=True)
    if names := found.stdout.split():
        subprocess.run(["docker", "rm", "--force", "--volumes", *names], env=env, capture_output=True, check=True)
    for prune in (("network", "prune", "--force"), ("volume", "prune", "--force", "--all")):
        subprocess.run(["docker", *prune], env=env, capture_output=True, check=True)
