"""Which errors are the machine's, to be tried again, and which are the message's, to be parked."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError
from minio.error import S3Error, ServerError
from urllib3.exceptions import HTTPError

from shared.handling import StreamTooBusy

MACHINE = (
    OSError,
    TimeoutError,
    KafkaError,
    HTTPError,
    ServerError,
    S3Error,
    StreamTooBusy,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalServerError,
    asyncpg.PostgresSystemError,
)
"""What may be gone when the same thing is tried again: the network, a server, a lock."""


def passing(error: BaseException) -> bool:
    """Whether `error` says something about the machine and nothing about the message."""
    return isinstance(error, MACHINE)
