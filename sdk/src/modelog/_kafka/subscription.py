"""Subscriptions: from Kafka records to `async for`, at least once, through outages and rebalances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, NoReturn, TypeVar, cast
from weakref import ReferenceType, ref

from aiokafka import TopicPartition, errors
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from modelog._kafka.brokers import DENIED, addresses, denied, partitions_of
from modelog._kafka.order import Latest
from modelog._kafka.reader import Reader, Record, Since
from modelog._kafka.stray import StrayCancellation, stray_cancellations_raised
from modelog.envelope import Message, Unreadable, decode
from modelog.errors import MissingTopic, NotConnected, TransientError
from modelog.events import Event, Fact
from modelog.home import Home, keep, refuse_pickle

logger = logging.getLogger("modelog")

E = TypeVar("E", bound=Event)
T = TypeVar("T")

MAX_FAILURES = 3
"""After so many failed commits, or polls without the records that exist, in a row, the reader is replaced."""
RECONNECT_SECONDS = 1.0
"""From a failure to the next attempt to connect."""

FATAL = (errors.InvalidGroupIdError, errors.InvalidTopicError, errors.UnsupportedCodecError)
"""Errors that come again however often the call is repeated, as those that are DENIED."""


class _Shut(Exception):
    """The registry was closed meanwhile."""


class Subscription(Generic[E]):
    """Messages to iterate over; each is committed when you ask for the next.

    A loop that is left by `break` or an exception does not commit its last message, so its group gets that message
    again. To commit it all the same, enter the subscription: `async with registry.subscribe(…) as messages` commits the
    last message unless it is left by an exception. `skipped` counts the records that were passed over, because they
    cannot be read or their type is unknown.

    It ends when its registry is closed; a read with an end raises RuntimeError then, because it is not complete. A
    single loop reads it at a time: for another loop, task or process, subscribe again.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        topics: Mapping[str, type[E]],
        *,
        group: str | None,
        since: Since,
        until: Literal["now"] | None,
        home: Home,
        key: bytes | None = None,
    ) -> None:
        self.skipped = 0
        self._kafka = kafka
        self._topics = topics
        self._group = group
        self._since = since
        self._until = until
        self._home = home
        self._key = key
        self._ends: dict[TopicPartition, int] | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._reader: Reader | None = None
        self._opening: asyncio.Task[Reader] | None = None
        self._current: Record | None = None
        self._latest = Latest()
        self._failures = 0
        self._has_connected = False
        self._entered = False
        self._closing = asyncio.Lock()
        self._iteration: ReferenceType[AsyncGenerator[Message[E], None]] | None = None
        self._turn: object = None
        self._is_shut = False
        self._is_complete = False

    def __repr__(self) -> str:
        types = ", ".join(event.type for event in self._topics.values())
        return f"<Subscription to {types}{'' if self._group is None else f', group {self._group!r}'}>"

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)

    @property
    def is_finite(self) -> bool:
        """Whether it ends with what was there when it began."""
        return self._until is not None

    async def __aenter__(self) -> Subscription[E]:
        self._entered = True
        return self

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            await self._commit()
        await self.close()

    def check(self) -> None:
        """Raise RuntimeError if it cannot be read, here or any more."""
        self._home.check_process()
        if self._is_shut:
            raise RuntimeError("this subscription ended with its registry: open the registry, and subscribe again")
        if self._is_complete:
            raise RuntimeError("this subscription was read to its end: subscribe again")
        running: Any = None if self._iteration is None else self._iteration()
        if running is not None and running.ag_frame is not None:  # neither given up nor ended
            raise RuntimeError("this subscription is being read by another loop: subscribe once for each")

    def __aiter__(self) -> AsyncGenerator[Message[E], None]:
        self.check()
        messages = self._messages()
        self._iteration = ref(messages)
        return messages

    async def _messages(self) -> AsyncGenerator[Message[E], None]:
        self._home.check()
        turn = self._turn = object()
        if not self._entered:
            await self.close()  # a loop that was left by `break` closes its reader a moment later
        try:
            while not await self._ended():
                self._current = await self._ask(lambda reader: reader.next_record(self._ends))
                if self._current is None:
                    await self._check_progress()
                elif (message := self._read(self._current)) is not None:
                    yield message
                await self._commit()
            self._is_complete = True
        except _Shut:
            if self._until is not None:
                raise RuntimeError("the registry was closed before this subscription was read to its end") from None
        finally:
            if self._turn is turn and not self._entered:
                await self.close()

    async def close(self) -> None:
        """Leave the group, without committing the current message."""
        if not self._home.is_here:
            keep(self._reader)
            self._reader = self._current = None
            return
        async with self._closing:
            reader, self._reader, self._current = self._reader, None, None
            if reader is not None:
                await reader.close()

    async def shut(self) -> None:
        """Leave the group for good: the registry is closed."""
        self._is_shut = True
        if self._opening is not None:
            self._opening.cancel()
        await self.close()

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
        self._home.check()
        try:
            if self._is_shut:
                raise _Shut
            if self._failures >= MAX_FAILURES:
                raise KafkaError(f"{self._failures} times in a row a commit failed or records did not come")
            with stray_cancellations_raised():
                return await question(self._reader or await self._open())
        except DENIED as error:
            raise denied(self._kafka, error) from error
        except FATAL:
            raise
        except (asyncio.TimeoutError, KafkaError, TransientError) as error:
            if self._is_shut:
                raise _Shut from None
            name = f"{', '.join(self._topics)} from {addresses(self._kafka)}"
            if isinstance(error, MissingTopic) or not self._has_connected:
                if isinstance(error, NotConnected):
                    raise
                raise NotConnected(
                    f"expected to read {name}, found {_text(error)}: check that the brokers run and the topics exist"
                ) from error
            logger.warning("reading %s starts again: %s", name, _text(error))
            self._failures = 0
            await self.close()
            await asyncio.sleep(RECONNECT_SECONDS)
            return None

    async def _open(self) -> Reader:
        opening = self._opening = asyncio.ensure_future(self._opened())
        try:
            await asyncio.wait([opening])
        except asyncio.CancelledError:
            opening.cancel()
            await asyncio.wait([opening])
            raise
        finally:
            self._opening = None
        if opening.cancelled():
            raise _Shut if self._is_shut else StrayCancellation("aiokafka cancelled its own connecting")
        reader = opening.result()
        self._has_connected = True
        return reader

    async def _opened(self) -> Reader:
        counts = await partitions_of(self._kafka, self._topics)
        only = [] if self._key is None else [_partition(topic, self._key, count) for topic, count in counts.items()]
        self._reader = Reader(self._kafka, self._topics, self._group, self._since, self._positions, only)
        await self._reader.open()
        return self._reader

    async def _commit(self) -> None:
        self._home.check()
        record, self._current = self._current, None
        if record is None or self._reader is None:
            return
        try:
            with stray_cancellations_raised():
                await self._reader.commit(record)
            self._failures = 0
        except DENIED as error:
            raise denied(self._kafka, error) from error
        except FATAL:
            raise
        except (asyncio.TimeoutError, KafkaError, TransientError) as error:
            self._failures += 1
            logger.warning("%s will be delivered again, its commit failed: %s", _place(record), _text(error))

    def _read(self, record: Record) -> Message[E] | None:
        if self._key is not None and record.key != self._key:
            return None
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


def _partition(topic: str, key: bytes, count: int) -> TopicPartition:
    """Where producers put the records of this key."""
    numbers = list(range(count))
    return TopicPartition(topic, DefaultPartitioner()(key, numbers, numbers))


def _place(record: Record) -> str:
    return f"{record.topic}, partition {record.partition}, offset {record.offset}"


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
