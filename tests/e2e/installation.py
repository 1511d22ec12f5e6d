"""A registry as its clients and operators reach it, whatever runs its services."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import asyncpg
from modelog import Registry
from modelog.events import BY_TYPE, Fact

from services import component, names
from shared.deciding.service import Service
from shared.runtime.settings import Settings
from stack import Addresses
from stack.waiting import until

EVERY_SERVICE = tuple(names())
DECIDING = tuple(name for name in names() if isinstance(component(name), Service))


class Installation:
    """A registry. `env` are its MODELOG_* variables, with addresses that this machine reaches; `logs` is a folder."""

    def __init__(self, env: Mapping[str, str], logs: Path) -> None:
        self.env = dict(env)
        self.logs = logs
        self.addresses = Addresses.from_env(env)
        self.settings = Settings.from_variables(env)
        self.prefix = self.settings.topic_prefix

    def registry(self) -> Registry:
        """A client of this registry."""
        return Registry(
            self.settings.kafka_servers, prefix=self.prefix, source="/pipelines", store=self.settings.store()
        )

    async def log(self) -> asyncpg.Connection:
        """A connection to the log, as the owner."""
        return await asyncpg.connect(self.addresses.owner)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a query on the log, by a connection of its own."""
        connection = await self.log()
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def logged(self, kind: str) -> int:
        """The number of facts of this kind."""
        return int((await self.rows("select count(*) from log.event where kind = $1", kind))[0][0])

    async def grows(self, kind: str, by: int = 5, seconds: float = 90.0) -> None:
        """Wait until there are `by` more facts of this kind."""
        before = await self.logged(kind)

        async def more() -> bool:
            return await self.logged(kind) >= before + by

        await until(more, f"{by} more {kind} than {before} ({self.logs})", seconds=seconds, every=0.2)

    def heard_by(self, service: str) -> list[str]:
        """The topics of a service."""
        return [self.prefix + event.type for event in component(service).handlers]  # type: ignore[attr-defined]


def facts() -> list[str]:
    """The name of every fact."""
    return [name for name, event in BY_TYPE.items() if issubclass(event, Fact)]
