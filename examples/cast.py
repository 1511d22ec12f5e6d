"""Everybody who plays in the demo, each a process of its own that ends with this one, however this one ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from examples.trouble import Trouble
from services.__main__ import PARTS as SERVICES
from stack.hold import ready
from stack.ports import free_port
from stack.process import Guarded
from stack.servers import together


@dataclass(frozen=True)
class Actor:
    """A process, the file that it writes to, and the port at which a service tells how it is."""

    name: str
    process: Guarded
    port: int | None

    @property
    def lines(self) -> list[str]:
        """What it has said so far."""
        return self.process.log.read_text(errors="replace").splitlines()


class Cast:
    """The services, the pipeline and the deployer. Each has a folder, which its guard deletes after it."""

    def __init__(self, home: Path, prefix: str) -> None:
        self.home = home
        self.actors: dict[str, Actor] = {}
        self._plays: Mapping[str, Sequence[str]] = {
            **{name: ("services", name) for name in SERVICES},
            "pipeline": ("examples.pipeline", "serve", "--group", f"{prefix}pipeline"),
            "deployer": ("examples.deployer", "--group", f"{prefix}deployer"),
        }

    def enter(self) -> None:
        """Start them all."""
        with ThreadPoolExecutor() as pool:
            self.actors.update((actor.name, actor) for actor in pool.map(self._start, self._plays))

    def _start(self, name: str) -> Actor:
        folder = self.folder(name)
        port = free_port() if name in SERVICES else None
        env = os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", "MODELOG_HEALTH_PORT": str(port or 0)}
        argv = [sys.executable, "-m", *self._plays[name]]
        return Actor(name, Guarded(argv, folder / "log", env=env, erase=folder), port)

    def folder(self, name: str) -> Path:
        """Where one of them writes."""
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        return folder

    def wait(self, patience: float) -> None:
        """Return when every service says that it is ready."""
        limit = time.monotonic() + patience
        for actor in self.actors.values():
            while actor.port and not ready(str(actor.port)):
                if not actor.process.alive:
                    raise Trouble(f"{actor.name} ended while it started")
                if time.monotonic() > limit:
                    raise Trouble(f"{actor.name} was not ready within {patience:.0f} s")
                time.sleep(0.05)

    async def said(self, name: str, beginning: str, patience: float) -> tuple[str, float]:
        """The line of that actor with this beginning, and when it was read, in seconds since 1970."""
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            for line in self.actors[name].lines:
                if line.startswith(beginning):
                    return line, time.time()
            await asyncio.sleep(0.01)
        raise Trouble(f"the {name} did not say `{beginning} …` within {patience:.0f} s")

    def last_lines(self, most: int) -> Mapping[str, Sequence[str]]:
        """The end of what each has said."""
        return {name: actor.lines[-most:] for name, actor in self.actors.items()}

    def leave(self) -> None:
        """End them all."""
        together(actor.process.stop for actor in self.actors.values())
        shutil.rmtree(self.home, ignore_errors=True)
