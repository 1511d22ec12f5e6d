"""A batch of records: each ends in facts, in nothing because it was answered before, or in `parked` with the reason."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter as Count
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import stamina
import structlog
from modelog.envelope import Message, Unreadable, decode
from modelog.events import Event
from modelog.policy import Policy
from prometheus_client import Counter, Histogram

from shared.artifacts.store import Artifacts
from shared.bus.dead_letters import Parking
from shared.deciding.command_handler import CommandFromMessage, CommandHandler
from shared.domain.decider import Command
from shared.runtime.errors import is_transient

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

log = structlog.get_logger()

AT_ONCE = 32
"""How many handlers of a batch wait for I/O at the same time."""
PATIENCE = 60.0
"""Seconds that a fault of the machine is waited out before the batch is given back to Kafka."""

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
handled = Counter("modelog_handled", "Messages answered or parked after they were read", ["service", "type"])
answering_seconds = Histogram("modelog_append_seconds", "Decide and append a batch", ["service"], buckets=BUCKETS)
hop_seconds = Histogram("modelog_hop_seconds", "From a message's time to its answer", ["service"], buckets=BUCKETS)


@dataclass(frozen=True)
class Context:
    """What a handler may use besides its message."""

    now: datetime
    policy: Policy
    artifacts: Artifacts


Handler = Callable[[Message[Any], Context], Any]
"""Makes a command of a message, or None where there is nothing to ask, or something to be called and awaited for it."""
C = TypeVar("C", bound=Command)
T = TypeVar("T")


@dataclass
class PendingMessage(Generic[C]):
    """A message whose command is known, or will be when `asking` is done."""

    record: ConsumerRecord[Any, Any]
    message: Message[Event]
    command: C | None = None
    asking: asyncio.Task[C | None] | None = None


class BatchProcessor(Generic[C]):
    """What a service does with the records that Kafka hands it."""

    def __init__(
        self,
        name: str,
        handlers: Mapping[type[Event], Handler],
        answering: CommandHandler[Any, C],
        parking: Parking,
        context: Callable[[], Context],
    ) -> None:
        self.name = name
        self.handlers = {
            event: _later(handler) if inspect.iscoroutinefunction(handler) else handler
            for event, handler in handlers.items()
        }
        self.answering = answering
        self.parking = parking
        self.context = context
        self.slots = asyncio.Semaphore(AT_ONCE)
        # To find a metric by its label costs 1 µs: this one is found once, the other once a batch and type.
        self.hop_seconds = hop_seconds.labels(name)

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        """Return when every record is answered or parked; raise only a fault of the machine that did not pass.

        The messages of one model are answered in order; a slow one holds up no other model of the batch.
        """
        context = self.context()
        waiting: dict[str, deque[PendingMessage[C]]] = {}
        try:
            for record in records:
                if one := await self._read(record, context):
                    waiting.setdefault(one.message.event.model, deque()).append(one)
            while waiting:
                if ready := list(_take_ready(waiting)):
                    await self._answer(ready, context)
                else:
                    # The heads alone: what is done behind one of them would end the wait at once, again and again.
                    heads = [queue[0].asking for queue in waiting.values() if queue[0].asking]
                    await asyncio.wait(heads, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (one for queue in waiting.values() for one in queue):
                if one.asking is not None:
                    one.asking.cancel()

    async def _read(self, record: ConsumerRecord[Any, Any], context: Context) -> PendingMessage[C] | None:
        try:
            message = decode(record.key, record.value, record.headers)
            handler = self.handlers.get(type(message.event))
            if handler is None:
                heard = ", ".join(event.type for event in self.handlers)
                raise Unreadable(
                    f"expected {heard} on {record.topic}, found {message.event.type}: send it to its topic"
                )
            said = handler(message, context)
            if callable(said):
                return PendingMessage(record, message, asking=asyncio.create_task(self._ask(said)))
            return PendingMessage(record, message, said)
        except Exception as problem:
            await self._park(record, problem, context)
            return None

    async def _ask(self, ask: Callable[[], Awaitable[C | None]]) -> C | None:
        async with self.slots:
            return await _waiting_out(ask)

    async def _answer(self, ready: Sequence[PendingMessage[C]], context: Context) -> None:
        asked: list[tuple[PendingMessage[C], CommandFromMessage[C]]] = []
        for one in ready:
            try:
                command = one.asking.result() if one.asking else one.command
            except Exception as problem:
                await self._park(one.record, problem, context)
                continue
            if command is not None:
                asked.append((one, CommandFromMessage(command, one.message)))
        if asked:
            await self._decide(asked, context)
        now = self.context().now
        for type, count in Count(one.message.event.type for one in ready).items():
            handled.labels(self.name, type).inc(count)
        for one in ready:
            if one.message.time is not None:
                self.hop_seconds.observe(max(0.0, (now - one.message.time).total_seconds()))

    async def _decide(self, asked: Sequence[tuple[PendingMessage[C], CommandFromMessage[C]]], context: Context) -> None:
        try:
            with answering_seconds.labels(self.name).time():
                await _waiting_out(lambda: self.answering.answer([one for _, one in asked]))
        except Exception as problem:
            if len(asked) == 1:
                await self._park(asked[0][0].record, problem, context)
                return
            if is_transient(problem):
                raise
            # One message among them is at fault; alone, each shows whether it is the one.
            for one in asked:
                await self._decide([one], context)

    async def _park(self, record: ConsumerRecord[Any, Any], problem: Exception, context: Context) -> None:
        if is_transient(problem):
            raise problem
        if not isinstance(problem, Unreadable):
            log.error("defect", service=self.name, topic=record.topic, offset=record.offset, exc_info=problem)
            problem = RuntimeError(
                f"{self.name} has a defect, {type(problem).__name__}: {problem}; mend it and send again"
            )
        await _waiting_out(lambda: self.parking.park(record, str(problem), context.now))


def _later(handler: Handler) -> Handler:
    return lambda message, context: partial(handler, message, context)


def _take_ready(waiting: dict[str, deque[PendingMessage[C]]]) -> Iterable[PendingMessage[C]]:
    """Take out every message whose command is known and that has no unknown one of its model before it."""
    for model, queue in list(waiting.items()):
        while queue and (queue[0].asking is None or queue[0].asking.done()):
            yield queue.popleft()
        if not queue:
            del waiting[model]


async def _waiting_out(work: Callable[[], Awaitable[T]]) -> T:
    """Do it again, with growing pauses, as long as only the machine is at fault and PATIENCE lasts."""
    try:
        return await work()
    except Exception as error:
        if not is_transient(error):
            raise
    async for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=PATIENCE, wait_max=5.0):
        with attempt:
            return await work()
    raise AssertionError("stamina returns or raises")
