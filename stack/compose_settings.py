"""The `.env` beside compose.yaml, from which compose takes passwords and ports."""

import os

from operations.env import PASSWORDS, PORTS, dotenv, new
from stack.checkout import FOLDER, ROOT
from stack.compose_engine import docker
from stack.ports import free_port
from stack.secret import write_privately
from stack.terminal import StackError, print_line

__all__ = ["FILE", "PASSWORDS", "write_settings"]

FILE = ROOT / ".env"
PROJECT = "COMPOSE_PROJECT_NAME"
OF_THE_SHELL = (PROJECT, "MODELOG_IMAGE", "MODELOG_BIND", "MODELOG_KAFKA_ADVERTISED", *PORTS)
"""What a shell may choose when the file is written. All others may belong to other servers."""
EARLIER = {
    "MODELOG_POSTGRES_OWNER_PASSWORD": "compose-postgres-secret",
    "MODELOG_POSTGRES_PASSWORD": "compose-postgres-modelog_app-secret",
    "MODELOG_POSTGRES_READER_PASSWORD": "compose-postgres-modelog_ask-secret",
    "MODELOG_S3_SECRET_KEY": "compose-s3-secret",
}
"""Where `make up` kept them, in .modelog, before there was the file."""


def write_settings() -> None:
    """Write the file if there is none, with the passwords and ports of an earlier installation where there was any.

    Raise StackError where Docker has a volume whose passwords are in neither.
    """
    if FILE.exists():
        return
    kept = {name: file.read_text() for name in EARLIER if (file := FOLDER / EARLIER[name]).exists()}
    chosen = {name: os.environ[name] for name in OF_THE_SHELL if os.environ.get(name)}
    if not kept:
        check_volume(chosen.get(PROJECT, "modelog"))
    write_privately(FILE, dotenv(new() | {name: port(name) for name in PORTS} | kept | chosen))
    print_line(f"Wrote {FILE}: passwords and ports for Docker Compose.")


def port(name: str) -> str:
    """The earlier port, also while its container has it; else a free port."""
    earlier = FOLDER / f"compose-{name.split('_')[1].lower()}-port"
    return earlier.read_text() if earlier.exists() else str(free_port())


def check_volume(project: str) -> None:
    """Raise StackError where Postgres has data already: it refuses passwords that are new."""
    label = "label=com.docker.compose"
    asked = docker(
        "volume", "ls", "--quiet", "--filter", f"{label}.project={project}", "--filter", f"{label}.volume=postgres"
    )
    if volume := asked.stdout.strip():
        raise StackError(
            f"Docker has the volume {volume}, and its passwords are not here: copy its .env to {FILE}. "
            f"For a second registry, set {PROJECT} to another name; to delete the volume: docker volume rm {volume}."
        )
