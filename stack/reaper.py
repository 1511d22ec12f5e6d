"""Containers that end with their owner, however it ends: a process of its own removes them.

`stack.containers` starts it. Only the owner has the other end of its standard input: end of file means that the owner
needs its containers no more, or has died.
"""

import json
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from testcontainers.core.docker_client import DockerClient

from stack.supervisor.identity import Identity

STACK, OWNER = "modelog.stack", "modelog.owner"
"""Labels of a container: the id of the servers that it belongs to, and the process that owns them."""
NAMESPACE = Path("/proc/self/ns/pid")
ALREADY_REMOVED = 409


def owner() -> str:
    """This process, for the label: found again by others on this machine."""
    return json.dumps({"machine": machine(), **asdict(Identity.of(os.getpid()))})


def machine() -> str:
    """Where process ids are those of this process: the machine, or on Linux a container of it."""
    return f"{platform.node()} {NAMESPACE.readlink() if NAMESPACE.exists() else ''}"


def has_ended(label: str) -> bool:
    """Whether the process of this label ran on this machine and runs no more."""
    found = json.loads(label)
    return found.pop("machine") == machine() and Identity(**found).process is None


def remove_leftovers(client: DockerClient) -> None:
    """Remove the containers of owners that ended together with their process of this module, as in a power cut."""
    found = client.client.containers.list(all=True, filters={"label": OWNER})
    remove([container for container in found if has_ended(container.labels[OWNER])])


def remove(containers: list[Any]) -> None:
    """Kill and remove these with their volumes; another process may do the same."""

    def remove_one(container: Any) -> None:
        with suppress(NotFound):
            try:
                container.remove(force=True, v=True)
            except APIError as error:
                if error.status_code != ALREADY_REMOVED:
                    raise

    with ThreadPoolExecutor() as pool:
        list(pool.map(remove_one, containers))


def main(stack: str) -> None:
    client = DockerClient()
    sys.stdin.read()
    remove(client.client.containers.list(all=True, filters={"label": f"{STACK}={stack}"}))


if __name__ == "__main__":
    main(sys.argv[1])
