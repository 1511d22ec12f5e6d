"""Where the servers come from: addresses in the environment, else Docker, else this machine."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

from stack.addresses import NEEDED, Addresses
from stack.servers import Servers
from stack.terminal import StackError

Source = Literal["given", "docker", "native"]


def docker_answers() -> bool:
    """Whether a Docker engine answers; the client alone is not enough."""
    if not shutil.which("docker"):
        return False
    question = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(question, capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def select(env: Mapping[str, str], docker: Callable[[], bool] = docker_answers) -> Source:
    """The first source there is; MODELOG_STACK=docker or native skips the question about Docker."""
    missing = [name for name in NEEDED if not env.get(name)]
    if not missing:
        return "given"
    if len(missing) < len(NEEDED):
        given = " and ".join(name for name in NEEDED if name not in missing)
        raise StackError(f"{given} came without {' and '.join(missing)}: set all three, or none of them.")
    wanted = env.get("MODELOG_STACK")
    if wanted not in (None, "", "docker", "native"):
        raise StackError(f"MODELOG_STACK is {wanted!r}: set it to docker or native, or leave it out.")
    return cast(Source, wanted) if wanted else "docker" if docker() else "native"


def wants_secured_kafka(env: Mapping[str, str]) -> bool:
    """Whether MODELOG_STACK_KAFKA asks for a Kafka with TLS, passwords and access control."""
    wanted = env.get("MODELOG_STACK_KAFKA")
    if wanted not in (None, "", "open", "secured"):
        raise StackError(f"MODELOG_STACK_KAFKA is {wanted!r}: set it to open or secured, or leave it out.")
    return wanted == "secured"


@contextmanager
def running(directory: Path | None = None, *, secured: bool = False) -> Iterator[Addresses]:
    """Kafka, Postgres and S3 for the time of the block, ready for work; `secured` as for `Servers`.

    Servers of this machine keep their data in `directory`, or in a fresh folder that is deleted with them.
    """
    source = select(os.environ)
    if secured and source != "native":
        raise StackError("A secured Kafka is made on this machine alone: set MODELOG_STACK=native, and no addresses.")
    match source:
        case "given":
            yield Addresses.from_env(os.environ)
        case "docker":
            from stack.containers import containers

            with containers() as addresses:
                yield addresses
        case "native":
            with Servers(directory, secured=secured) as servers:
                yield servers.addresses
