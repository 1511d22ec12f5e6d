"""What is asked of a Docker engine and of Compose: their versions, compose.yaml as it is read, the containers."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from stack.checkout import ROOT
from stack.terminal import StackError

MIN_API, ENGINE = (1, 44), "25.0"
MIN_COMPOSE = (2, 24)
ANSWER_SECONDS = 30
OTHERWISE = "or set MODELOG_STACK=native, which works without Docker"


def docker(*command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Ask docker something that takes no time; its answer and its errors are in the result."""
    try:
        return subprocess.run(
            ["docker", *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise StackError(f"There is no program docker here: install it, {OTHERWISE}.") from error
    except subprocess.TimeoutExpired as error:
        raise StackError(
            f"Docker does not answer within {ANSWER_SECONDS} seconds: start it again, {OTHERWISE}."
        ) from error


def own_env() -> dict[str, str]:
    """The environment for compose. It prefers the shell's variables to `.env`, and they may be of other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MODELOG_")}


def configuration() -> dict[str, Any]:
    """compose.yaml with the values of `.env`, as compose reads them."""
    asked = docker("compose", "config", "--format", "json", env=own_env())
    if asked.returncode:
        raise StackError(f"compose.yaml and .env do not fit: {asked.stderr.strip()}")
    found: dict[str, Any] = json.loads(asked.stdout.replace("$$", "$"))  # compose writes its own escape
    return found


def rows() -> Iterator[dict[str, Any]]:
    """A row of `docker compose ps` for each container."""
    for line in docker("compose", "ps", "--all", "--format", "json", env=own_env()).stdout.splitlines():
        yield json.loads(line)


def check_engine() -> None:
    """Raise StackError where the engine does not answer, or where it or Compose is older than compose.yaml needs."""
    engine = docker("version", "--format", "{{.Server.APIVersion}} {{.Server.Version}}")
    if engine.returncode:
        raise StackError(f"The Docker engine does not answer ({engine.stderr.strip()}): start it, {OTHERWISE}.")
    api, _, version = engine.stdout.strip().partition(" ")
    if numbers(api) < MIN_API:
        raise StackError(f"The Docker engine is {version}: {ENGINE} or newer is needed; update it, {OTHERWISE}.")
    plugin = docker("compose", "version", "--short")
    if plugin.returncode:
        raise StackError(
            "Docker answers, but its plugin Compose is missing: install docker-compose-plugin "
            f"(docker-compose-v2 on Ubuntu, docker-compose at Homebrew), {OTHERWISE}."
        )
    found = plugin.stdout.strip().removeprefix("v")
    if found[:1].isdigit() and numbers(found) < MIN_COMPOSE:  # a build of one's own has no number
        needed = ".".join(map(str, MIN_COMPOSE))
        raise StackError(f"Docker Compose is {found}: {needed} or newer is needed; update it, {OTHERWISE}.")


def numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; an unreadable part counts as 0."""
    parts = version.split(".")[:2]
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
