"""Failures as sentences: what failed, where, and what to do, for the person at the terminal."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import asyncpg
from aiokafka.errors import KafkaError
from modelog.store import Unavailable

from operations.logins import LoginRefused
from shared.log.migrations import MigrationChanged
from shared.runtime import postgres_url
from shared.runtime.kafka_problem import kafka_problem
from shared.runtime.settings import Settings


def explain(error: BaseException, settings: Settings) -> str | None:
    """A sentence about a server that does not answer or refuses, or None where the error is a bug in modelog."""
    reason = str(error) or type(error).__name__
    match error:
        case KafkaError():
            return f"{_of_kafka(settings) or f'Kafka fails at {settings.kafka_servers} ({reason})'}."
        case Unavailable() | MigrationChanged() | LoginRefused():
            return f"{reason}."
        case ValueError() if not isinstance(error, (asyncpg.InterfaceError, OSError)):  # a bad certificate is both
            return None
    # The clients of Kafka and S3 have errors of their own, so an OSError is that of Postgres.
    return postgres_url.refusal(error, settings.postgres_owner["dsn"])


def _of_kafka(settings: Settings) -> str | None:
    """Why no broker answers; asked in a thread, because the caller may be in an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(kafka_problem(settings.kafka))).result()
