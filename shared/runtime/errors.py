"""Which errors are transient: the call is repeated. All others belong to the message, which is parked."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from modelog.errors import TransientError

REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
"""Postgres refuses the login, has no such database, or the login lacks a right: no message is the cause.

A process that starts ends with a sentence; a process that runs waits until somebody has mended it.
"""

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
    *REFUSED,
)
"""Errors of the network, of servers, of rights and of locks: the same call may work later."""


class Unusable(Exception):
    """The process cannot do its work as it was started, for the reason that the sentence gives.

    It ends with `status`: 2 where a setting cannot be used, 1 where a server refuses.
    """

    def __init__(self, sentence: str, status: int = 2) -> None:
        super().__init__(sentence)
        self.status = status


def is_transient(error: BaseException) -> bool:
    """Whether the same call may work later, because the message is not the cause."""
    return isinstance(error, TRANSIENT) and not isinstance(error, MessageSizeTooLargeError)
