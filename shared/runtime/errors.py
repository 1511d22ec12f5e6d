"""Which errors are transient, to be tried again, and which are the message's, to be parked."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from modelog.errors import TransientError

TRANSIENT = (
    TransientError,
    OSError,
    TimeoutError,
    KafkaError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's error when the server ends a connection at the moment it is used
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
)
"""What may be gone when the same is tried again: the network, a server, a lock."""


def is_transient(error: BaseException) -> bool:
    """Whether `error` is of the network or a server, and not of the message."""
    return isinstance(error, TRANSIENT) and not isinstance(error, MessageSizeTooLargeError)
