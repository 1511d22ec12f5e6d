"""A registry in containers, each of which can be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from stack.compose import addresses
from stack.waiting import until
from tests.docker.project import Project, docker
from tests.e2e.installation import Installation
from tests.e2e.process import parsed

MESSAGES_PER_SECOND = 30
"""Of the load, while containers are killed, stopped and replaced."""
WORKS_SECONDS = 180.0


@dataclass(frozen=True)
class State:
    """What Docker knows of a container. `pid` is 0 while it does not run; `restarts` counts those by its policy."""

    status: str
    exit_code: int
    pid: int
    restarts: int
    health: str | None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """What `docker inspect` has found."""
        state = found["State"]
        health = state.get("Health", {}).get("Status")
        return cls(state["Status"], state["ExitCode"], state["Pid"], found["RestartCount"], health)

    @property
    def works(self) -> bool:
        """Whether it runs and is healthy, as far as it has a check."""
        return self.status == "running" and self.health in (None, "healthy")

    @property
    def is_done(self) -> bool:
        """Whether it has ended by itself, and with success."""
        return self.status == "exited" and self.exit_code == 0


class Containers(Installation):
    """The containers of a project, by their names in compose.yaml."""

    def __init__(self, project: Project, logs: Path) -> None:
        services = project.configuration()
        super().__init__(addresses(services).env, logs)
        self.project = project
        self.names = tuple(services)

    async def up(self, *arguments: str) -> None:
        """Start them; return when all are healthy."""
        await asyncio.to_thread(self.project.compose, "up", "--detach", "--wait", *arguments)

    def states(self, *names: str) -> dict[str, State]:
        """The states of these containers, or of all."""
        asked = names or self.names
        lines = docker("inspect", "--format", "{{json .}}", *map(self._container, asked)).splitlines()
        return {name: State.of(json.loads(line)) for name, line in zip(asked, lines, strict=True)}

    def state(self, name: str) -> State:
        return self.states(name)[name]

    async def run(self, command: str, *names: str) -> None:
        """`docker kill`, `stop` or `start`, which return when that is done."""
        await asyncio.to_thread(docker, command, *map(self._container, names))

    async def crash(self, *names: str) -> None:
        """SIGKILL the first processes of containers from outside, all at once: for Docker, they have ended.

        By a container that sees the engine's processes: that works too where the engine is in a virtual machine.
        """
        pids = [
            str(state.pid) for state in await asyncio.gather(*(asyncio.to_thread(self.state, name) for name in names))
        ]
        seeing = ("--pid=host", "--network=none", "--user=0", "--entrypoint=bash")
        await asyncio.to_thread(
            docker, "run", "--rm", *seeing, self.project.image, "-c", f"kill -KILL {' '.join(pids)}"
        )

    async def work(self, *names: str, restarts: Mapping[str, int] = MappingProxyType({})) -> None:
        """Wait until these, or all, are healthy or have done what they are for, after `restarts` by their policy."""

        async def work() -> bool:
            states = await asyncio.to_thread(self.states, *names)
            return all(
                (state.works or state.is_done) and state.restarts >= restarts.get(name, 0)
                for name, state in states.items()
            )

        await until(work, f"{', '.join(names or ['all'])} healthy ({self.logs})", seconds=WORKS_SECONDS, every=0.3)

    def lines(self, name: str) -> list[str]:
        """What a container has printed since it was made."""
        return docker("logs", self._container(name)).splitlines()

    def bugs(self) -> list[dict[str, Any]]:
        """The bugs that services have logged since their containers were made."""
        lines = (parsed(line) for name in self.names for line in self.lines(name))
        return [line for line in lines if line.get("event") == "bug"]

    def _container(self, name: str) -> str:
        return f"{self.project.name}-{name}-1"


@contextmanager
def removed_at_its_end(project: Project, logs: Path) -> Iterator[Project]:
    """A project for the time of the block; what its containers printed is kept in a file."""
    try:
        yield project
    finally:
        try:
            (logs / "containers.log").write_text(project.logs())
        finally:
            project.remove()
