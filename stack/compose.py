"""The same servers and services from compose.yaml, where a Docker engine answers."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stack.addresses import Addresses
from stack.checkout import ROOT
from stack.compose_engine import check_engine, configuration, docker, own_env, rows
from stack.compose_failure import why
from stack.compose_settings import PASSWORDS, write_settings
from stack.postgres import OWNER, READER, SERVICE
from stack.selection import listens
from stack.terminal import StackError, print_line

HUNG_SECONDS = 10
"""Until what does not answer is killed."""
SERVERS = ["kafka", "postgres", "s3"]


def up(*, servers_only: bool) -> Addresses:
    """Start the containers, or those that have ended, wait until all are healthy, and return their addresses.

    The image is built again where the code has changed. Raise StackError when a container does not get healthy.
    """
    check_engine()
    write_settings()
    project = configuration()
    check_folder(project["name"])
    restart_hung()
    compose("up", "--detach", "--wait", *(SERVERS if servers_only else ["--build"]))
    found = addresses(project["services"])
    host, _, port = found.kafka.rpartition(":")
    if not listens(host, int(port)):
        raise StackError(
            f"The containers run, and {found.kafka} does not answer: the engine is on another machine. "
            "Tunnel the ports from there, or set MODELOG_STACK=native."
        )
    return found


def down(*, erase: bool) -> None:
    """End the containers; with `erase`, delete their volumes too."""
    # Compose wants values to read the file, and uses none to end containers; those of a profile are ended too.
    compose(
        "down", *(["--volumes"] if erase else []), env={**dict.fromkeys(PASSWORDS, "unused"), "COMPOSE_PROFILES": "*"}
    )


def restart_hung() -> None:
    """Start again what runs and does not answer, and name it: `up` leaves it as it is, and then fails."""
    hung = [row["Service"] for row in rows() if row["Health"] == "unhealthy" or row["State"] == "paused"]
    for name in hung:
        print_line(f"{name} does not answer: it is started again.")
    if hung:
        compose("restart", "--timeout", str(HUNG_SECONDS), *hung)


def check_folder(project: str) -> None:
    """Raise StackError where the containers of this name belong to another checkout, and would be replaced."""
    label = "com.docker.compose.project"
    asked = docker(
        "ps", "--all", "--filter", f"label={label}={project}", "--format", f'{{{{.Label "{label}.working_dir"}}}}'
    )
    for folder in sorted({Path(line) for line in asked.stdout.splitlines() if line} - {ROOT}):
        if folder.exists() and folder.resolve() != ROOT:
            raise StackError(
                f"{folder} has containers of the name {project} here. Choose another name for these: "
                f"write COMPOSE_PROJECT_NAME=another into {ROOT / '.env'}."
            )


def addresses(containers: Mapping[str, Any]) -> Addresses:
    """Where the containers of a configuration answer on this machine."""
    kafka, postgres, s3 = (published(containers[name]) for name in SERVERS)
    env = containers["setup"]["environment"]

    def url(user: str, variable: str) -> str:
        return f"postgresql://{user}:{quote(env[variable], safe='')}@{postgres}/modelog"

    return Addresses(
        kafka=kafka,
        postgres=url(SERVICE, "MODELOG_POSTGRES_PASSWORD"),
        postgres_owner=url(OWNER, "MODELOG_POSTGRES_OWNER_PASSWORD"),
        postgres_reader=url(READER, "MODELOG_POSTGRES_READER_PASSWORD"),
        s3_endpoint=f"http://{s3}",
        s3_access_key=env["MODELOG_S3_ACCESS_KEY"],
        s3_secret_key=env["MODELOG_S3_SECRET_KEY"],
    )


def published(container: Mapping[str, Any]) -> str:
    """Host and port of the first port that a container publishes."""
    port = container["ports"][0]
    host = port["host_ip"]
    return f"{'127.0.0.1' if host == '0.0.0.0' else host}:{port['published']}"


def compose(*command: str, env: Mapping[str, str] | None = None) -> None:
    """Run Docker Compose, which prints its own progress; raise StackError with the reason when it fails."""
    done = subprocess.run(["docker", "compose", *command], cwd=ROOT, env=own_env() | dict(env or {}), check=False)
    if done.returncode:
        failed = f"docker compose {command[0]} failed, see above; MODELOG_STACK=native works without Docker"
        raise StackError(f"{why() or failed}.")
