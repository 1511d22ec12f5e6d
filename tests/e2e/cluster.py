"""A registry whose services are processes, on servers that may be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from stack import Addresses
from stack.disposable import Sandbox
from stack.servers import in_parallel
from stack.waiting import until
from tests.e2e.installation import Installation
from tests.e2e.process import ServiceProcess, lines


class Cluster(Installation):
    """Processes by title: `ingestion` runs ingestion, `ingestion-2` too, `all` runs every service."""

    def __init__(self, servers: Addresses, logs: Path, **env: str) -> None:
        limits = {"MODELOG_TOPIC_PARTITIONS": "4", "MODELOG_GRACEFUL_SECONDS": "5", "MODELOG_HEALTH_PORT": "0"}
        self.sandbox = Sandbox.named(servers, "e2e", **limits | env)
        super().__init__(self.sandbox.env, logs)
        self.running: dict[str, ServiceProcess] = {}
        self.peaks: dict[str, int] = {}

    def start(self, *titles: str, module: str = "services") -> None:
        """Start these, each as a process of its own."""
        for title in titles:
            name = title.partition("-")[0]
            command = [sys.executable, "-m", module, *([] if name == "all" else [name])]
            self.running[title] = ServiceProcess(command, os.environ | self.env, self.logs / f"{title}.log")

    async def ready(self, *titles: str, seconds: float = 90.0) -> None:
        """Wait until these are ready."""
        for title in titles:
            await until(partial(self._is_ready, title), f"{title} ready ({self.logs})", seconds=seconds)

    async def _is_ready(self, title: str) -> bool:
        process = self.running[title]
        assert process.alive, f"{title} ended: {process.lines()[-3:]}, see {self.logs}"
        return await asyncio.to_thread(process.is_ready)

    async def kill(self, *titles: str) -> None:
        """kill -9, all at once."""
        self.memory()
        await asyncio.to_thread(in_parallel, [self.running[title].kill for title in titles])

    async def stop(self, *titles: str) -> None:
        """SIGTERM, all at once, and wait until they have ended."""
        await asyncio.to_thread(in_parallel, [partial(self._stop, title) for title in titles])

    def _stop(self, title: str) -> None:
        self.running[title].stop()

    def memory(self) -> dict[str, int]:
        """The most bytes of resident memory that each process had, those that ended before too."""
        for title, process in self.running.items():
            self.peaks[title] = max(self.peaks.get(title, 0), process.memory)
        return self.peaks

    def bugs(self) -> list[dict[str, object]]:
        """The bugs in all logs, those of processes that ended before too."""
        return [line for log in self.logs.glob("*.log") for line in lines(log) if line.get("event") == "bug"]


@asynccontextmanager
async def new_cluster(servers: Addresses, logs: Path, *, set_up: bool = True, **env: str) -> AsyncIterator[Cluster]:
    """A registry for the time of the block; its processes end with it."""
    cluster = Cluster(servers, logs, **env)
    await cluster.sandbox.create()
    try:
        if set_up:
            await cluster.sandbox.set_up()
        yield cluster
    finally:
        await cluster.kill(*cluster.running)
        await cluster.sandbox.remove()
