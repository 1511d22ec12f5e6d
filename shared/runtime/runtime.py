"""One process: what its components share, what their handlers may use, and how it begins and ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

import asyncpg
import structlog
from modelog.errors import TransientError
from modelog.policy import Policy

from shared.runtime.errors import REFUSED, Unusable, is_transient
from shared.runtime.health import Health
from shared.runtime.postgres import connect
from shared.runtime.postgres_url import refusal
from shared.runtime.settings import Settings
from shared.runtime.stream_locks import StreamLocks
from shared.runtime.waiting import LAST_SECONDS, retry, run_until_stopped

logger = structlog.get_logger()

BEAT_SECONDS = 1.0
"""Between two reports that the event loop runs."""


class Resource(Protocol):
    """Something that a process opens once, when the first component asks for it."""

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        """Open it, and add to `runtime.closing` what closes it; nothing is connected before it is used."""

    async def problem(self) -> str | None:
        """Why it cannot be used now, in a sentence, or None. Services that need it are then not ready.

        Asked every few seconds: it answers from memory, or within a few seconds. A resource that inherits from this
        class and does not define it has no problem.
        """
        return None


R = TypeVar("R", bound=Resource)


@dataclass
class Runtime:
    """The state that the components of a process share."""

    settings: Settings
    pool: asyncpg.Pool
    policy: Policy
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stream_locks: StreamLocks = field(default_factory=StreamLocks)
    closing: ExitStack = field(default_factory=ExitStack)
    _resources: dict[type[Any], Any] = field(default_factory=dict)

    def resource(self, kind: type[R]) -> R:
        """The resource of this kind, opened at the first call."""
        if kind not in self._resources:
            self._resources[kind] = kind.open(self)
        found: R = self._resources[kind]
        return found

    async def close(self) -> None:
        """Close the resources and the connections to Postgres."""
        self.closing.close()
        # A host that is gone does not end its connections; those of a pool that closes too slowly are cut.
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self.pool.close()


@dataclass(frozen=True)
class Context:
    """What a handler may use beside its message: the time, the policy, and the resources that its service needs."""

    now: datetime
    policy: Policy
    resources: Mapping[type[Any], Any]

    def resource(self, kind: type[R]) -> R:
        """The resource of this kind; KeyError if the service does not name it in `needs`."""
        found: R = self.resources[kind]
        return found


class Component(Protocol):
    """A part of a process: it runs until the process stops, and goes on after transient errors."""

    name: str

    def describe(self) -> dict[str, str]:
        """Its description in the log line at its start."""

    async def run(self, runtime: Runtime) -> None:
        """Work until `runtime.stopping` is set."""


class NotSetUp(TransientError):
    """Postgres answers, and `operations setup` of this version has not run in it yet."""


async def run(components: Sequence[Component], settings: Settings) -> None:
    """Run the components until SIGTERM or SIGINT; then let each finish its batch."""
    health, stopping, policy = Health(), asyncio.Event(), settings.read_policy()
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, stopping.set)
    try:
        address = health.serve(settings.health_host, settings.health_port)
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or "no name of a host"
        raise Unusable(
            f"MODELOG_HEALTH_HOST and _PORT: expected {settings.health_host}:{settings.health_port} to be free for "
            f"/livez, /readyz and /metrics, found {found}: name another, or the port 0 for any"
        ) from None
    for component in components:
        health.report(component.name, False, "starting, waits for Postgres")
        logger.info("started", component=component.name, **component.describe(), health=address)

    async def open_or_report() -> asyncpg.Pool:
        try:
            return await _open(settings)
        except Exception as error:
            reason = refusal(error, settings.postgres["dsn"]) or str(error)
            for component in components:
                health.report(component.name, False, f"starting, waits for Postgres: {reason}")
            raise

    beating = asyncio.create_task(beat_forever(health))
    try:
        if pool := await run_until_stopped(stopping, retry(open_or_report, within_seconds=None)):
            runtime = Runtime(settings, pool, policy, health, stopping)
            try:
                async with asyncio.TaskGroup() as group:
                    running = [group.create_task(part.run(runtime), name=part.name) for part in components]
                    late = group.create_task(cancel_late(running, runtime))
                    await asyncio.wait(running)
                    late.cancel()
            finally:
                await runtime.close()
    finally:
        beating.cancel()
        logger.info("stopped", components=[component.name for component in components])


async def cancel_late(running: Sequence[asyncio.Task[Any]], runtime: Runtime) -> None:
    """Cancel what has not ended in time after the process began to stop: it waits for a server that is gone."""
    await runtime.stopping.wait()
    _, late = await asyncio.wait(running, timeout=runtime.settings.graceful_seconds + LAST_SECONDS)
    for task in late:
        logger.warning("ends late", component=task.get_name())
        task.cancel()
    if late and (await asyncio.wait(late, timeout=LAST_SECONDS))[1]:
        # asyncpg waits for a silent Postgres also where it is cancelled, until it answers or the connection is cut.
        runtime.pool.terminate()


async def _open(settings: Settings) -> asyncpg.Pool:
    """Connect to Postgres; raise a transient error where it may work later, and Unusable where somebody must act."""
    try:
        pool = await connect(**settings.postgres, role=settings.postgres_role)
    except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:  # of the role
        raise NotSetUp(f"found {error}: run `python -m operations setup`") from error
    except Exception as error:
        sentence = refusal(error, settings.postgres["dsn"])
        if sentence is None or (is_transient(error) and not isinstance(error, (*REFUSED, ValueError))):
            raise
        raise Unusable(sentence.removesuffix("."), status=1) from None
    try:
        # What setup makes last of all that this version needs.
        if await pool.fetchval("select to_regproc('log.move_cursor') is not null"):
            return pool
    except asyncpg.InsufficientPrivilegeError:
        pass
    await pool.close()
    raise NotSetUp("found no log in the database, or an older log: run `python -m operations setup`")


async def beat_forever(health: Health) -> None:
    """Report that the event loop runs, every second."""
    while True:
        health.beat()
        await asyncio.sleep(BEAT_SECONDS)
