"""Where the servers come from: addresses in the environment, else Docker, else this machine."""

import os
import re
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from stack.addresses import NEEDED, Addresses
from stack.engine import docker_answers
from stack.kafka import is_secured
from stack.servers import NativeServers, Servers
from stack.terminal import StackError

LISTENS_SECONDS = 3.0
PORTS = defaultdict(int, {"": 9092, "postgres": 5432, "postgresql": 5432, "http": 80, "https": 443})

Source = Literal["given", "docker", "native"]


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


def check_given(env: Mapping[str, str]) -> None:
    """Raise StackError, within seconds, if nothing listens at an address that is given."""
    silent = [name for name in NEEDED if not any(listens(*host) for host in hosts(env[name]))]
    if silent:
        given = " ".join(name for name in sorted(env) if name.startswith("MODELOG_"))
        raise StackError(
            f"{' and '.join(silent)} in your shell point{'s' * (len(silent) == 1)} to a server that does not answer. "
            f"To start servers here, take the addresses out of the shell: unset {given}"
        )


def hosts(address: str) -> list[tuple[str, int]]:
    """Each host and port of an address: a URL, or several `host:port` with commas."""
    scheme, _, rest = address.rpartition("://")
    netloc = re.split("[/?]", rest, maxsplit=1)[0].rpartition("@")[2]
    parts = (urlsplit(f"//{host.strip()}") for host in netloc.split(","))
    return [(part.hostname or "localhost", part.port or PORTS[scheme]) for part in parts]


def listens(host: str, port: int) -> bool:
    """Whether a program listens there."""
    try:
        socket.create_connection((host, port), timeout=LISTENS_SECONDS).close()
    except OSError:
        return False
    return True


def wants_secured_kafka(env: Mapping[str, str], data: Path) -> bool:
    """Whether MODELOG_STACK_KAFKA asks for a Kafka with access control; without it, the data there decides."""
    wanted = env.get("MODELOG_STACK_KAFKA")
    if wanted not in (None, "", "open", "secured"):
        raise StackError(f"MODELOG_STACK_KAFKA is {wanted!r}: set it to open or secured, or leave it out.")
    if select(env) == "native":
        return wanted == "secured" if wanted else is_secured(data / "kafka")
    if wanted == "secured":
        raise StackError("A secured Kafka runs on this machine alone: set MODELOG_STACK=native, and no addresses.")
    return False


@contextmanager
def running(directory: Path | None = None) -> Iterator[Addresses]:
    """Kafka, Postgres and S3 for the time of the block, ready for work.

    Servers of this machine keep their data in `directory`, or in a fresh folder that is deleted with them.
    """
    if select(os.environ) == "given":
        yield Addresses.from_env(os.environ)
    else:
        with own_servers(directory) as servers:
            yield servers.addresses


def own_servers(directory: Path | None = None) -> Servers:
    """Servers that nobody else uses, so that they may be killed: containers, else those of this machine."""
    if select(os.environ) == "docker":
        from stack.containers import Containers

        return Containers()
    return NativeServers(directory)
