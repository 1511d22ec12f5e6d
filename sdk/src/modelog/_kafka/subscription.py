"""Subscriptions: from Kafka records to `async for`, at least once, through outages and rebalances."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Generic, Literal, TypeVar, cast

from aiokafka import TopicPartition, errors
from aiokafka.errors import KafkaError

from modelog._kafka.reader import Reader, Record, Since
from modelog.envelope import FIRST_EPOCH, Message, Unreadable, decode
from modelog.errors import NotConnected
from modelog.events import Event, Fact

logger = logging.getLogger("modelog")

E = TypeVar("E", bound=Event)
T = TypeVar("T")

MAX_FAILURES = 3
"""After so many failed commits, or polls without the records that exist, in a row, the reader is replaced."""
RECONNECT_SECONDS = 1.0
"""From a failure to the next attempt to connect."""
MAX_MODELS = 100_000
"""Whose latest fact on each topic is remembered, those read last: about 30 MB."""

FATAL = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.GroupAuthorizationFailedError,
    errors.InvalidGroupIdError,
    errors.InvalidTopicError,
    errors.SaslAuthenticationFailed,
    errors.TopicAuthorizationFailedError,
    errors.UnsupportedCodecError,
    errors.UnsupportedSaslMechanismError,
)
"""Errors that come again however often the call is repeated."""


class Subscription(Generic[E]):
    """Messages to iterate over; each is committed when you ask for the next.

    A loop that is left by `break` or an exception does not commit its last message, so its group gets that message
    again. To commit it all the same, enter the subscription: `async with registry.subscribe(…) as messages` commits the
    last message unless it is left by an exception. `skipped` counts the records that were passed over, because they
    cannot be read or their type is unknown.
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
        self.skipped = 0
        self._topics = topics
        self._name = f"{', '.join(topics)} from {kafka['bootstrap_servers']}"
        self._until = until
        self._ends: dict[TopicPartition, int] | None = None
        positions: dict[TopicPartition, int] = {}
        self._new_reader = partial(Reader, kafka, topics, group, since, positions)
        self._reader: Reader | None = None
        self._current: Record | None = None
        self._latest = Latest(MAX_MODELS)
        self._failures = 0
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
                self._current = await self._ask(lambda reader: reader.next_record(self._ends))
                if self._current is None:
                    await self._check_progress()
                elif (message := self._read(self._current)) is not None:
                    yield message
                await self._commit()
        finally:
            if not self._entered:
                await self.close()

    async def close(self) -> None:
        """Leave the group, without committing the current message."""
        async with self._closing:
            reader, self._reader, self._current = self._reader, None, None
            if reader is not None:
                await reader.close()

    async def _ended(self) -> bool:
        if self._until is None:
            return False
        if self._ends is None:
            self._ends = await self._ask(Reader.ends)
        ends = self._ends
        return ends is not None and await self._ask(lambda reader: reader.behind(ends)) is False

    async def _check_progress(self) -> None:
        """No record came: find out whether there is none, or the consumer is stuck (aiokafka #703, #1154)."""
        has_more = await self._ask(Reader.has_more)
        if has_more is not None:
            self._failures = self._failures + 1 if has_more else 0

    async def _ask(self, question: Callable[[Reader], Awaitable[T]]) -> T | None:
        """The reader's answer, or None after a transient failure: the next question goes to a new reader."""
        try:
            if self._failures >= MAX_FAILURES:
                raise KafkaError(f"{self._failures} times in a row a commit failed or records did not come")
            if self._reader is None:
                self._reader = self._new_reader()
                await self._reader.open()
                self._has_connected = True
            return await question(self._reader)
        except FATAL:
            raise
        except (asyncio.TimeoutError, KafkaError) as error:
            if not self._has_connected:
                raise NotConnected(
                    f"expected to read {self._name}, found {_text(error)}: "
                    "check that the brokers run and the topics exist"
                ) from error
            logger.warning("reading %s starts again: %s", self._name, _text(error))
            self._failures = 0
            await self.close()
            await asyncio.sleep(RECONNECT_SECONDS)
            return None

    async def _commit(self) -> None:
        record, self._current = self._current, None
        if record is None or self._reader is None:
            return
        try:
            await self._reader.commit(record)
            self._failures = 0
        except FATAL:
            raise
        except (asyncio.TimeoutError, KafkaError) as error:
            self._failures += 1
            logger.warning("%s will be delivered again, its commit failed: %s", _place(record), _text(error))

    def _read(self, record: Record) -> Message[E] | None:
        try:
            message = decode(record.key, record.value, record.headers)
            expected = self._topics[record.topic]
            if not isinstance(message.event, expected):
                raise Unreadable(f"expected {expected.type} on its topic, found {message.event.type}")
        except Unreadable as reason:
            self.skipped += 1
            logger.warning("%s is skipped: %s", _place(record), reason)
            return None
        if isinstance(message.event, Fact) and self._latest.is_newer(message):
            logger.info("%s is passed over: a newer fact of its model was given out", _place(record))
            return None
        return cast("Message[E]", message)


class Latest:
    """The latest fact of each model and type that was given out.

    A relay sends a range of facts again after it was replaced, and a relay that does not know yet that it was replaced
    sends old ones.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def is_newer(self, message: Message[Any]) -> bool:
        """Whether a newer fact than this was given out; if not, this is the latest from now on."""
        if message.sequence is None:
            return False
        key, place = (message.event.type, message.event.model), (message.epoch or FIRST_EPOCH, message.sequence)
        if self._places.get(key, place) > place:
            return True
        self._places[key] = place
        self._places.move_to_end(key)
        if len(self._places) > self._most:
            self._places.popitem(last=False)
        return False


def _place(record: Record) -> str:
    return f"{record.topic}, partition {record.partition}, offset {record.offset}"


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
