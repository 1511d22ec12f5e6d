"""One process: what its parts share, and how it begins and ends."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import asyncpg
import stamina
import structlog
from modelog.policy import Policy

from shared.artifacts.store import Artifacts
from shared.log import Log, connect
from shared.runtime.errors import is_transient
from shared.runtime.health import Health
from shared.runtime.settings import Settings
from shared.runtime.waiting import run_until_stopped

log = structlog.get_logger()


@dataclass
class Runtime:
    """What the parts of a process share."""

    settings: Settings
    log: Log
    policy: Policy
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The store, opened by the first part that asks for it."""
        return Artifacts(self.settings.store(), foreign=self.settings.foreign())

    async def close(self) -> None:
        """Let go of the store and of Postgres."""
        if "artifacts" in vars(self):
            self.artifacts.close()
        await self.log.pool.close()


class Component(Protocol):
    """Something that runs in a process until it is told to stop, and goes on after the machine's faults."""

    name: str

    def describe(self) -> dict[str, str]:
        """What it does, for the start-up card."""

    async def run(self, process: Runtime) -> None:
        """Work until `process.stopping` is set."""


class NotSetUp(ConnectionError):
    """Postgres answers, and `operations setup` has not run in it yet."""


def configure_logging() -> None:
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
    once = RepeatFilter()
    handler.addFilter(lambda record: not record.name.startswith("aiokafka") or once.filter(record))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("aiokafka", "faststream", "stamina", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # FastStream tells of topics it must not create, and of each assignment with every partition in it.
    logging.getLogger("modelog.bus").setLevel(logging.ERROR)


class RepeatFilter(logging.Filter):
    """Lets a line through once in SECONDS: a client without its server tries, and says the same, ten times a second."""

    SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = f"{record.name} {record.getMessage()}", time.monotonic()
        new = now - self.said.get(line, -math.inf) >= self.SECONDS
        if new:
            self.said = {line: at for line, at in self.said.items() if now - at < self.SECONDS} | {line: now}
        return new


async def run(parts: Sequence[Component], settings: Settings) -> None:
    """Run the parts until SIGTERM or SIGINT; then let each finish the batch it is at."""
    health, stopping, policy = Health(), asyncio.Event(), settings.read_policy()
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, stopping.set)
    address = health.serve(settings.health_host, settings.health_port)
    for part in parts:
        health.ready(part.name, False, "starting, waits for Postgres")
        log.info("started", part=part.name, **part.describe(), health=address)
    turning = asyncio.create_task(_turn(health))
    try:
        if pool := await run_until_stopped(stopping, _open(settings)):
            process = Runtime(settings, Log(pool), policy, health, stopping)
            try:
                async with asyncio.TaskGroup() as group:
                    for part in parts:
                        group.create_task(part.run(process), name=part.name)
            finally:
                await process.close()
    finally:
        turning.cancel()
        log.info("stopped", parts=[part.name for part in parts])


async def _open(settings: Settings) -> asyncpg.Pool:
    async for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=None, wait_max=5.0):
        with attempt:
            return await _connect(settings)
    raise AssertionError("stamina returns or raises")


async def _connect(settings: Settings) -> asyncpg.Pool:
    try:
        pool = await connect(settings.postgres_url.get_secret_value(), settings.postgres_role)
    except (asyncpg.InvalidParameterValueError, asyncpg.InvalidCatalogNameError) as error:
        raise NotSetUp(f"found {error}: run `python -m operations setup`") from error
    try:
        if await pool.fetchval("select to_regclass('log.snapshot') is not null"):
            return pool
    except asyncpg.InsufficientPrivilegeError:
        pass
    await pool.close()
    raise NotSetUp("found no log in the database, or an older one: run `python -m operations setup`")


async def _turn(health: Health) -> None:
    while True:
        health.turn()
        await asyncio.sleep(1)
