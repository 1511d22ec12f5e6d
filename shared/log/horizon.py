"""The end of the log, and the open transaction that keeps readers from it."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

READ = "select last, pid, application, seconds from log.horizon()"


@dataclass(frozen=True)
class Horizon:
    """The last position that was given out; `pid` is the process of Postgres whose transaction may still use others."""

    last: int
    pid: int | None
    application: str | None
    seconds: float | None
    """Since that transaction began."""

    def holder(self) -> str:
        """The process as a sentence names it."""
        return f"process {self.pid} of Postgres ({self.application or 'no name'})"


async def read_horizon(pool: asyncpg.Pool) -> Horizon:
    """Who holds the log's horizon now."""
    return Horizon(*await pool.fetchrow(READ))
