"""The services under test: `python -m services …`, each process ended with its block."""

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

from bench.place import Place
from stack.daemon import ready
from stack.ports import free_port
from stack.supervisor import Guarded

PATIENCE = 60.0


@dataclass(frozen=True)
class Running:
    """A process that answers for some services, and how many seconds it took from its start until it was ready."""

    process: Guarded
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes of resident memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@asynccontextmanager
async def serving(place: Place, *names: str) -> AsyncIterator[Running]:
    """These services, or all, in one process, from when it says that it is ready."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="modelog-")) / "services"
    folder.mkdir()
    own = {**place.addresses.env, "MODELOG_HEALTH_PORT": str(port)}
    began = time.perf_counter()
    process = Guarded(
        [sys.executable, "-m", "services", *names], folder / "log", env=os.environ | own, patience=5, erase=folder
    )
    try:
        while not await asyncio.to_thread(ready, str(port)):
            if not process.alive or time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"{' '.join(names) or 'services'} did not become ready: {process.last_words()}")
            await asyncio.sleep(0.01)
        yield Running(process, time.perf_counter() - began)
    finally:
        await asyncio.to_thread(process.stop)
        shutil.rmtree(folder.parent, ignore_errors=True)
