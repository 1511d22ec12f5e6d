"""Everybody who plays in the demo, each a process of its own that ends with this one, however this one ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from examples.errors import DemoError
from services import names
from stack.daemon import ready
from stack.ports import free_port
from stack.servers import together
from stack.supervisor import Guarded


@dataclass(frozen=True)
class Player:
    """One of the examples while it runs."""

    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def line(self, patience: float) -> str:
        """The next line that it prints."""
        try:
            said = await asyncio.wait_for(self.reader.readline(), patience)
        except TimeoutError:
            raise DemoError(f"the {self.name} said nothing for {patience:.0f} s") from None
        if not said:
            raise DemoError(f"the {self.name} ended without another word")
        return said.decode().rstrip()


class Processes:
    """The services, and the fork_server of examples. Each has a folder, which its guard deletes after it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="modelog-demo-"))
        self.running: dict[str, Guarded] = {}
        self.ports: dict[str, int] = {}
        self.fork_server = self._folder("examples") / "socket"
        # OpenBLAS would start threads, which a fork does not carry over.
        env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self._start("examples", ["examples.fork_server", str(self.fork_server)], env)

    def enter(self) -> None:
        """Start every service."""
        self.ports = {name: free_port() for name in names()}
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._serve, names()))

    def _serve(self, name: str) -> None:
        env = os.environ | {"MODELOG_HEALTH_PORT": str(self.ports[name]), "TMPDIR": str(self._folder(name))}
        self._start(name, ["services", name], env)

    def _start(self, name: str, module: Sequence[str], env: Mapping[str, str]) -> None:
        folder = self._folder(name)
        self.running[name] = Guarded([sys.executable, "-m", *module], folder / "log", env=env, erase=folder)

    def _folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        return folder

    def wait(self, patience: float) -> None:
        """Return when every service says that it is ready."""
        limit = time.monotonic() + patience
        for name, port in self.ports.items():
            while not ready(str(port)):
                if not self.running[name].alive:
                    raise DemoError(f"{name} ended while it started")
                if time.monotonic() > limit:
                    raise DemoError(f"{name} was not ready within {patience:.0f} s")
                time.sleep(0.05)

    async def play(self, *argv: str, patience: float) -> Player:
        """Run `python -m examples.…` in a fork of the process that has all its imports."""
        limit = time.monotonic() + patience
        while time.monotonic() < limit and self.running["examples"].alive:
            with suppress(FileNotFoundError, ConnectionRefusedError):
                reader, writer = await asyncio.open_unix_connection(self.fork_server)
                told = {name: text for name, text in os.environ.items() if name.startswith("MODELOG_")}
                env = told | {"TMPDIR": str(self.fork_server.parent)}
                writer.write(json.dumps({"argv": argv, "env": env}).encode() + b"\n")
                await writer.drain()
                return Player(argv[0], reader, writer)
            await asyncio.sleep(0.05)
        raise DemoError(f"the {argv[0]} did not start within {patience:.0f} s")

    def last_lines(self, most: int) -> Mapping[str, Sequence[str]]:
        """The end of what each has written to its log."""
        return {
            name: process.log.read_text(errors="replace").splitlines()[-most:] for name, process in self.running.items()
        }

    def leave(self) -> None:
        """End them all; nothing happens where none is left."""
        ending, self.running = self.running, {}
        together(process.stop for process in ending.values())
        shutil.rmtree(self.home, ignore_errors=True)
