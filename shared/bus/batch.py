"""A batch of records: each ends in facts, in nothing because it was answered before, or in `parked` with the reason."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter as Count
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from modelog.envelope import Message, Unreadable, decode
from modelog.events import Event
from prometheus_client import Counter, Histogram

from shared.bus.dead_letters import DeadLetters
from shared.domain.command import Cause, CausedCommand
from shared.domain.decider import Command
from shared.runtime.errors import is_transient
from shared.runtime.runtime import Context
from shared.runtime.waiting import retry

logger = structlog.get_logger()

MAX_RUNNING_HANDLERS = 32
RETRY_SECONDS = 60.0
"""How long transient errors are retried before the batch is given back to Kafka."""

BUCKETS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
handled = Counter("modelog_handled", "Messages answered, or parked after they were read", ["service", "type"])
append_seconds = Histogram("modelog_append_seconds", "Decide and append a batch", ["service"], buckets=BUCKETS_SECONDS)
hop_seconds = Histogram(
    "modelog_hop_seconds", "From a message's time to its answer", ["service"], buckets=BUCKETS_SECONDS
)

Answer = Callable[[list[CausedCommand[Any]]], Awaitable[object]]
"""Decides on commands, those of one model in order."""


@dataclass(frozen=True)
class Handler:
    """How a service handles a type of message.

    `command` makes the command, or None where there is nothing to decide; it may be a coroutine function, which runs as
    a task of its own, again after transient errors. `look_up` is called before it: the task is not needed if it returns
    the command.
    """

    command: Callable[[Any, Context], Command | Awaitable[Command | None] | None]
    look_up: Callable[[Any, Context], Command | None] | None = None

    @property
    def is_slow(self) -> bool:
        """Whether it waits for I/O."""
        return inspect.iscoroutinefunction(self.command)


@dataclass
class PendingMessage:
    """A message whose command is known, or will be when `task` is done."""

    record: ConsumerRecord[Any, Any]
    message: Message[Event]
    command: Command | None = None
    task: asyncio.Task[Command | None] | None = None


class BatchProcessor:
    """How a service handles the records of Kafka."""

    def __init__(
        self,
        name: str,
        handlers: Mapping[type[Event], Handler],
        answer: Answer,
        dead_letters: DeadLetters,
        context: Context,
    ) -> None:
        self.name = name
        self.handlers = {event: (handler, handler.is_slow) for event, handler in handlers.items()}
        self.answer = answer
        self.dead_letters = dead_letters
        self.context = context
        self.slots = asyncio.Semaphore(MAX_RUNNING_HANDLERS)
        # Finding a metric by its label costs 1 µs: this is found once, `handled` once for each batch and type.
        self.hop_seconds = hop_seconds.labels(name)

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        """Return when every record is answered or parked; raise only a transient error that did not pass.

        The messages of one model are answered in order; a slow one delays no other model of the batch.
        """
        context = replace(self.context, now=datetime.now(UTC))
        waiting: dict[str, deque[PendingMessage]] = {}
        try:
            for record in records:
                if pending := await self._read(record, context):
                    waiting.setdefault(pending.message.event.model, deque()).append(pending)
            while waiting:
                if ready := list(_take_ready(waiting)):
                    await self._answer(ready, context)
                else:
                    # The first message of each model only: a later message that is done would end every wait at once.
                    first = [queue[0].task for queue in waiting.values() if queue[0].task]
                    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pending in (pending for queue in waiting.values() for pending in queue):
                if pending.task is not None:
                    pending.task.cancel()

    async def _read(self, record: ConsumerRecord[Any, Any], context: Context) -> PendingMessage | None:
        try:
            message = decode(record.key, record.value, record.headers)
            handler, is_slow = self.handlers.get(type(message.event), (None, False))
            if handler is None:
                expected = ", ".join(event.type for event in self.handlers)
                raise Unreadable(
                    f"expected {expected} on {record.topic}, found {message.event.type}: send it to its topic"
                )
            if handler.look_up and (command := handler.look_up(message, context)):
                return PendingMessage(record, message, command)
            if is_slow:
                task = asyncio.create_task(self._run(handler, message, context))
                return PendingMessage(record, message, task=task)
            return PendingMessage(record, message, handler.command(message, context))  # type: ignore[arg-type]
        except Exception as error:
            await self._park(record, error, context)
            return None

    async def _run(self, handler: Handler, message: Message[Event], context: Context) -> Command | None:
        async with self.slots:
            return await retry(lambda: handler.command(message, context), RETRY_SECONDS)  # type: ignore[arg-type, return-value]

    async def _answer(self, ready: Sequence[PendingMessage], context: Context) -> None:
        commands: list[tuple[PendingMessage, CausedCommand[Command]]] = []
        for pending in ready:
            try:
                command = pending.task.result() if pending.task else pending.command
            except Exception as error:
                await self._park(pending.record, error, context)
                continue
            if command is not None:
                commands.append((pending, CausedCommand(command, Cause.of(pending.message))))
        if commands:
            await self._decide(commands, context)
        now = datetime.now(UTC)
        for type, count in Count(pending.message.event.type for pending in ready).items():
            handled.labels(self.name, type).inc(count)
        for pending in ready:
            if pending.message.time is not None:
                self.hop_seconds.observe(max(0.0, (now - pending.message.time).total_seconds()))

    async def _decide(
        self, commands: Sequence[tuple[PendingMessage, CausedCommand[Command]]], context: Context
    ) -> None:
        try:
            with append_seconds.labels(self.name).time():
                await retry(lambda: self.answer([caused for _, caused in commands]), RETRY_SECONDS)
        except Exception as error:
            if len(commands) == 1:
                await self._park(commands[0][0].record, error, context)
                return
            if is_transient(error):
                raise
            # One of the messages causes the error; deciding each alone shows which.
            for command in commands:
                await self._decide([command], context)

    async def _park(self, record: ConsumerRecord[Any, Any], error: Exception, context: Context) -> None:
        if is_transient(error):
            raise error
        if not isinstance(error, Unreadable):
            logger.error("bug", service=self.name, topic=record.topic, offset=record.offset, exc_info=error)
            error = RuntimeError(
                f"{self.name} has a bug, {type(error).__name__}: {error}; correct it, then send the message again"
            )
        await retry(lambda: self.dead_letters.park(record, str(error), context.now), RETRY_SECONDS)


def _take_ready(waiting: dict[str, deque[PendingMessage]]) -> Iterable[PendingMessage]:
    """Remove every message whose command is known, as far as the first of its model whose command is not."""
    for model, queue in list(waiting.items()):
        while queue and (queue[0].task is None or queue[0].task.done()):
            yield queue.popleft()
        if not queue:
            del waiting[model]
