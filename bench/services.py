"""The services under test: `python -m services …`, a process for the time of a block."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from stack.disposable import Sandbox
from stack.ports import free_port
from stack.probes import wait_for_services
from stack.supervisor import Guarded
from stack.terminal import StackError

READY_SECONDS = 60.0


@dataclass(frozen=True)
class Running:
    """A process with some services, and the seconds from its start until it was ready."""

    process: Guarded
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes of resident memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@asynccontextmanager
async def serving(sandbox: Sandbox, *names: str) -> AsyncIterator[Running]:
    """These services, or all, in a single process that is ready."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="modelog-")) / "services"
    folder.mkdir()
    own = {**sandbox.addresses.env, "MODELOG_HEALTH_PORT": str(port)}
    began = time.perf_counter()
    process = Guarded(
        [sys.executable, "-m", "services", *names], folder / "log", env=os.environ | own, stop_seconds=5, erase=folder
    )
    try:
        title = " ".join(names) or "services"
        try:
            await asyncio.to_thread(wait_for_services, title, process, port, READY_SECONDS)
        except StackError as error:
            raise StackError(f"{error}; the log ends with: {process.last_lines()}") from error
        yield Running(process, time.perf_counter() - began)
    finally:
        await asyncio.to_thread(process.stop)
        shutil.rmtree(folder.parent, ignore_errors=True)
