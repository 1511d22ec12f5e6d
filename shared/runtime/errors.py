"""Which errors are the machine's, to be tried again, and which are the message's, to be parked."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from modelog.errors import TransientError


class StreamTooBusy(RuntimeError):
    """A stream moved at every attempt."""


TRANSIENT = (
    TransientError,
    OSError,
    TimeoutError,
    KafkaError,
    StreamTooBusy,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke under a query says so at the next one
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
)
"""What may be gone when the same thing is tried again: the network, a server, a lock."""


def is_transient(error: BaseException) -> bool:
    """Whether `error` says something about the machine and nothing about the message."""
    return isinstance(error, TRANSIENT) and not isinstance(error, MessageSizeTooLargeError)
