"""Why `docker compose` failed, found by asking Docker afterwards: what compose prints is for the terminal."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stack.compose_engine import OTHERWISE, configuration, docker, own_env, rows
from stack.ports import is_free
from stack.terminal import StackError

MIN_FREE_BYTES = 64 * 1024 * 1024
LAST_LINES = "3"


def why() -> str | None:
    """The first reason that is found, as a sentence without its full stop; None where nothing is wrong by now."""
    return next(reasons(), None)


def reasons() -> Iterator[str]:
    """What is wrong, the cause before its effects."""
    info = docker("info", "--format", "{{.DockerRootDir}}")
    if info.returncode:
        yield "The Docker engine has stopped answering: start it, then run `make up` again"
        return
    if (folder := Path(info.stdout.strip())).is_dir() and shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        yield f"The disk of Docker ({folder}) is full: make room (docker system df shows what may go)"
    try:
        services: Mapping[str, Mapping[str, Any]] = configuration()["services"]
    except StackError:
        return
    containers = {row["Service"]: row for row in rows()}
    for name, service in services.items():
        if docker("image", "inspect", "--format", "{{.Id}}", service["image"]).returncode:
            built = any("build" in other and other["image"] == service["image"] for other in services.values())
            done = "built" if built else "pulled"
            yield f"The image {service['image']} could not be {done}, see above: try again, {OTHERWISE}"
        if name in containers and containers[name]["State"] == "running":
            continue
        for port in service.get("ports", ()):
            if not is_free(int(port["published"])):
                yield (
                    f"Port {port['published']} of this machine is in use, so {name} cannot have it: "
                    f"write another port into .env (MODELOG_{name.upper()}_PORT)"
                )
    for name, container in containers.items():
        if container["ExitCode"] or container["Health"] == "unhealthy" or container["State"] == "restarting":
            state = container["Health"] or f"{container['State']} with status {container['ExitCode']}"
            yield f"{name} is {state}: {last_lines(name)} (docker compose logs {name})"


def last_lines(name: str) -> str:
    """What a container printed last."""
    logs = docker("compose", "logs", "--no-color", "--no-log-prefix", "--tail", LAST_LINES, name, env=own_env())
    return " / ".join((logs.stdout + logs.stderr).strip().splitlines()) or "it printed nothing"
