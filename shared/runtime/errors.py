"""Which errors are transient: the call is repeated. All others belong to the message, which is parked."""

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
"""Errors of the network, of servers and of locks: the same call may work later."""


def is_transient(error: BaseException) -> bool:
    """Whether the same call may work later, because the message is not the cause."""
    return isinstance(error, TRANSIENT) and not isinstance(error, MessageSizeTooLargeError)
