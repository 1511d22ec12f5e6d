"""Connections to Postgres, as every process has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.runtime.errors import REFUSED, is_transient

CONNECT_SECONDS = 10.0
"""For a new connection: a host that is gone does not refuse it."""
# Without keepalives, Postgres keeps the locks of a host that vanished for two hours, and no process can take over.
KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


async def connect(dsn: str, role: str | None, size: int = 10, *, password: str | None = None) -> asyncpg.Pool:
    """A pool of at most `size` connections that act as `role`, or as the user of `dsn` if it is None.

    `password` is needed where `dsn` has none: `connect(**settings.postgres, role=settings.postgres_role)`.
    A connection is not reset when it is released: use `session` for settings or locks of your own.
    """
    settings = {"application_name": "modelog", "idle_in_transaction_session_timeout": "60s", **KEEPALIVE}
    if role is not None:
        settings["role"] = role
    return await asyncpg.create_pool(
        dsn,
        password=password,
        min_size=1,
        max_size=size,
        server_settings=settings,
        reset=_no_reset,
        timeout=CONNECT_SECONDS,
    )


async def _no_reset(_connection: asyncpg.Connection) -> None:
    """The reset took 65 of the 250 µs of a small query, and there was nothing to reset."""


@asynccontextmanager
async def session(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
    """A connection of the pool whose settings and locks end with the block."""
    async with pool.acquire() as connection:
        try:
            yield connection
        finally:
            await _reset(connection)


async def _reset(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
    """End its settings and locks, or the connection, which ends them too; the error of the block is not replaced."""
    try:
        await connection.reset()
    except BaseException as error:
        with suppress(asyncpg.InterfaceError):  # it was lost, and has left the pool
            connection.terminate()
        if not isinstance(error, Exception):
            raise


async def problem(pool: asyncpg.Pool, within_seconds: float = 5.0) -> str | None:
    """Why Postgres does not answer a query within this time; None if it does. Other errors are raised."""
    try:
        await pool.fetchval("select 1", timeout=within_seconds)
    except REFUSED as error:
        return f"Postgres refuses this process ({error})"
    except Exception as error:
        if is_transient(error):
            return "Postgres does not answer"
        raise
    return None
