"""One process: what its parts share, and how it begins and ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import stamina
import structlog
from modelog.policy import Policy

from shared.artifacts import Artifacts
from shared.faults import passing
from shared.health import Health
from shared.log import Log, connect
from shared.settings import Settings

log = structlog.get_logger()


@dataclass
class Process:
    """What the parts of a process share."""

    settings: Settings
    log: Log
    policy: Policy
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The store, opened by the first part that asks for it."""
        return Artifacts(self.settings.store())

    async def close(self) -> None:
        """Let go of the store and of Postgres."""
        if "artifacts" in vars(self):
            self.artifacts.close()
        await self.log.pool.close()


class Part(Protocol):
    """Something that runs in a process until it is told to stop, and goes on after the machine's faults."""

    name: str

    def card(self) -> dict[str, str]:
        """What it does, for the start-up card."""

    async def run(self, process: Process) -> None:
        """Work until `process.stopping` is set."""


def write_logs() -> None:
    """One line a thing that happened: for people on a terminal, JSON elsewhere; libraries' warnings too."""
    people = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    steps: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=steps,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("aiokafka", "faststream", "stamina", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # FastStream tells of topics it must not create, and of each assignment with every partition in it.
    logging.getLogger("modelog.bus").setLevel(logging.ERROR)


async def run(parts: Sequence[Part], settings: Settings) -> None:
    """Run the parts until SIGTERM or SIGINT; then let each finish the batch it is at."""
    process = await _open(settings)
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, process.stopping.set)
    address = process.health.serve(settings.health_host, settings.health_port)
    for part in parts:
        process.health.ready(part.name, False, "starting")
        log.info("started", part=part.name, **part.card(), health=address)
    turning = asyncio.create_task(_turn(process.health))
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part.run(process), name=part.name)
    finally:
        turning.cancel()
        await process.close()
        log.info("stopped", parts=[part.name for part in parts])


async def _open(settings: Settings) -> Process:
    async for attempt in stamina.retry_context(on=passing, attempts=None, timeout=None, wait_max=5.0):
        with attempt:
            pool = await connect(settings.postgres_url.get_secret_value(), settings.postgres_role)
    return Process(settings, Log(pool), settings.read_policy())


async def _turn(health: Health) -> None:
    while True:
        health.turn()
        await asyncio.sleep(1)
