"""The processes of the demo: the services and the examples. All of them end with this process, however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from examples.errors import DemoError
from services import names
from stack.ports import free_port
from stack.probes import wait_for_services
from stack.servers import in_parallel
from stack.supervisor import Guarded
from stack.terminal import StackError
from stack.waiting import until


@dataclass(frozen=True)
class Example:
    """An example while it runs."""

    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def line(self, seconds: float) -> str:
        """The next line that it prints."""
        try:
            line = await asyncio.wait_for(self.reader.readline(), seconds)
        except TimeoutError:
            raise DemoError(f"the {self.name} printed nothing for {seconds:.0f} s") from None
        if not line:
            raise DemoError(f"the {self.name} ended without another line")
        return line.decode().rstrip()


class Processes:
    """The services, and the fork server of the examples. Each has a folder, which is deleted after it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="modelog-demo-"))
        self.running: dict[str, Guarded] = {}
        self.ports: dict[str, int] = {}
        self.socket = self._folder("examples") / "socket"
        # OpenBLAS would start threads, which a fork does not have.
        env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self._start("examples", ["examples.fork_server", str(self.socket)], env)

    def start_services(self, seconds: float) -> None:
        """Start every service, each as a process, and return when all are ready."""
        self.ports = {name: free_port() for name in names()}
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._start_service, names()))
        for name, port in self.ports.items():
            try:
                wait_for_services(name, self.running[name], port, seconds)
            except StackError as error:
                raise DemoError(str(error)) from error

    def _start_service(self, name: str) -> None:
        env = os.environ | {"MODELOG_HEALTH_PORT": str(self.ports[name]), "TMPDIR": str(self._folder(name))}
        self._start(name, ["services", name], env)

    def _start(self, name: str, module: Sequence[str], env: Mapping[str, str]) -> None:
        folder = self._folder(name)
        self.running[name] = Guarded([sys.executable, "-m", *module], folder / "log", env=env, erase=folder)

    def _folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        return folder

    async def start_example(self, *argv: str, seconds: float) -> Example:
        """Run `python -m examples.…` in a fork of the process that has all its imports."""

        async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_unix_connection(self.socket)

        not_yet = (FileNotFoundError, ConnectionRefusedError)
        try:
            reader, writer = await until(connected, f"the {argv[0]} to start", seconds=seconds, not_yet=not_yet)
        except TimeoutError as error:
            raise DemoError(str(error)) from None
        env = {name: text for name, text in os.environ.items() if name.startswith("MODELOG_")}
        request = {"argv": argv, "env": env | {"TMPDIR": str(self.socket.parent)}}
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        return Example(argv[0], reader, writer)

    def last_lines(self, count: int) -> Mapping[str, Sequence[str]]:
        """The last lines of each log."""
        return {
            name: process.log.read_text(errors="replace").splitlines()[-count:]
            for name, process in self.running.items()
        }

    def stop(self) -> None:
        """End them all; a second call does nothing."""
        running, self.running = self.running, {}
        in_parallel(process.stop for process in running.values())
        shutil.rmtree(self.home, ignore_errors=True)
