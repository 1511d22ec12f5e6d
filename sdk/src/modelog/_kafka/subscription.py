"""Subscribing: from Kafka records to `async for`, at least once, through outages and rebalances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Generic, Literal, TypeVar, cast

from aiokafka import TopicPartition
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    GroupAuthorizationFailedError,
    InvalidGroupIdError,
    InvalidTopicError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)

from modelog._kafka.reader import Reader, Record, Since
from modelog.envelope import Message, Unreadable, decode
from modelog.errors import NotConnected
from modelog.events import Event

logger = logging.getLogger("modelog")

E = TypeVar("E", bound=Event)
T = TypeVar("T")

UNWELL = 3
"""So many failed commits, or quiet looks where there are records, in a row: the reader is made anew."""
PAUSE = 1.0
"""Seconds until the next attempt to connect."""

FATAL = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    GroupAuthorizationFailedError,
    InvalidGroupIdError,
    InvalidTopicError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)
"""What no waiting mends."""


class Subscription(Generic[E]):
    """Messages to iterate over. A message is committed when the next one is asked for.

    A loop that is left by `break` or an exception did not say that it was done with its last message, so its group
    gets that one again. Who wants to leave early and be done with it enters the subscription:
    `async with registry.subscribe(…) as messages` commits the last message when it is left without an exception.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        topics: Mapping[str, type[E]],
        *,
        group: str | None,
        since: Since,
        until: Literal["now"] | None,
    ) -> None:
        self._topics = topics
        self._name = f"{', '.join(topics)} from {kafka['bootstrap_servers']}"
        self._until = until
        self._ends: dict[TopicPartition, int] | None = None
        positions: dict[TopicPartition, int] = {}
        self._make = partial(Reader, kafka, topics, group, since, positions)
        self._reader: Reader | None = None
        self._in_hand: Record | None = None
        self._unwell = 0
        self._has_connected = False
        self._entered = False
        self._closing = asyncio.Lock()

    async def __aenter__(self) -> Subscription[E]:
        self._entered = True
        return self

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            await self._commit()
        await self.close()

    async def __aiter__(self) -> AsyncGenerator[Message[E], None]:
        try:
            while not await self._ended():
                self._in_hand = await self._steadily(Reader.look)
                if self._in_hand is None:
                    await self._examine()
                elif (message := self._read(self._in_hand)) is not None:
                    yield message
                await self._commit()
        finally:
            if not self._entered:
                await self.close()

    async def close(self) -> None:
        """Leave the group, without committing the message in hand."""
        async with self._closing:
            reader, self._reader, self._in_hand = self._reader, None, None
            if reader is not None:
                await reader.close()

    async def _ended(self) -> bool:
        if self._until is None:
            return False
        if self._ends is None:
            self._ends = await self._steadily(Reader.ends)
        ends = self._ends
        return ends is not None and await self._steadily(lambda reader: reader.behind(ends)) is False

    async def _examine(self) -> None:
        """Nothing came: because nothing is there, or because the consumer got stuck (aiokafka #703, #1154)?"""
        missing = await self._steadily(Reader.missing)
        if missing is not None:
            self._unwell = self._unwell + 1 if missing else 0

    async def _steadily(self, ask: Callable[[Reader], Awaitable[T]]) -> T | None:
        """What a reader answers, or None after a failure that passes: the next attempt gets a new reader."""
        try:
            if self._unwell >= UNWELL:
                raise KafkaError(f"{self._unwell} times in a row a commit failed or records did not come")
            if self._reader is None:
                self._reader = self._make()
                await self._reader.open()
                self._has_connected = True
            return await ask(self._reader)
        except FATAL:
            raise
        except (asyncio.TimeoutError, KafkaError) as error:
            if not self._has_connected:
                raise NotConnected(
                    f"expected to read {self._name}, found {_said(error)}: "
                    "see that the brokers run and the topics exist"
                ) from error
            logger.warning("reading %s begins anew: %s", self._name, _said(error))
            self._unwell = 0
            await self.close()
            await asyncio.sleep(PAUSE)
            return None

    async def _commit(self) -> None:
        record, self._in_hand = self._in_hand, None
        if record is None or self._reader is None:
            return
        try:
            await self._reader.commit(record)
            self._unwell = 0
        except FATAL:
            raise
        except (asyncio.TimeoutError, KafkaError) as error:
            self._unwell += 1
            logger.warning("%s will come again, its commit failed: %s", _place(record), _said(error))

    def _read(self, record: Record) -> Message[E] | None:
        try:
            message = decode(record.key, record.value, record.headers)
            expected = self._topics[record.topic]
            if not isinstance(message.event, expected):
                raise Unreadable(f"expected {expected.type} on its topic, found {message.event.type}")
        except Unreadable as why:
            logger.warning("%s is skipped: %s", _place(record), why)
            return None
        return cast("Message[E]", message)


def _place(record: Record) -> str:
    return f"{record.topic}, partition {record.partition}, offset {record.offset}"


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
