"""Failures as sentences: what failed, where, and what to do, for the person at the terminal."""

from __future__ import annotations

from urllib.parse import urlsplit

import asyncpg
from aiokafka.errors import KafkaError
from modelog.store import Unavailable

from operations.logins import LoginRefused
from shared.log.migrations import MigrationChanged
from shared.runtime.settings import Settings

START = "start it with `make up`, or check the address in the environment"


def explain(error: BaseException, settings: Settings) -> str | None:
    """A sentence about a server that does not answer or refuses, or None where the error is a bug in modelog."""
    url = urlsplit(settings.postgres_url.get_secret_value())
    postgres, database = url.netloc.rpartition("@")[2], url.path.removeprefix("/")
    reason = str(error) or type(error).__name__
    match error:
        case KafkaError():
            return f"Kafka does not answer at {settings.kafka_servers} ({reason}): {START}."
        case Unavailable() | MigrationChanged() | LoginRefused():
            return f"{reason}."
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"Postgres at {postgres} refuses to log in ({reason}): check the user and the password."
        case asyncpg.InvalidCatalogNameError():
            return f"Postgres at {postgres} has no database {database!r}: create it, or name another."
        case asyncpg.InvalidParameterValueError() | asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError():
            return f"The database {database!r} is not set up ({reason}): run `python -m operations setup`."
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"Postgres at {postgres} refuses {url.username!r} something ({reason}): run it as the database's owner."
            )
        case asyncpg.PostgresError() | asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return f"Postgres at {postgres} fails: {reason}."
        case OSError():  # the clients of Kafka and S3 have errors of their own
            return f"Postgres does not answer at {postgres} ({reason}): {START}."
    return None
