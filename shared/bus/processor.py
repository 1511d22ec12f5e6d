"""What becomes of records: each ends in facts, in nothing because it was answered before, or in `parked` with a reason.

The messages of a model are answered in order, and no model waits for another: a message whose command or decision needs
I/O waits with those of its model behind it, while the others are answered.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter as Count
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from modelog.envelope import Message
from modelog.events import Event
from prometheus_client import Histogram

from shared.bus.dead_letters import DeadLetters, parked
from shared.bus.open_records import OpenRecord
from shared.bus.parking import OUTCOMES, Parking, handled
from shared.bus.pending import PendingMessage, PendingMessages
from shared.bus.reading import LogReader, expected_on, read_all
from shared.bus.troubles import Troubles
from shared.domain.command import Cause, CausedCommand, Undecided
from shared.domain.decider import Command
from shared.domain.looking import LookFirst
from shared.runtime.errors import is_transient
from shared.runtime.runtime import Context

T = TypeVar("T")

MAX_HANDLERS_OF_MODEL = 8
"""Handlers of a model that wait for I/O at a time. All together are bounded by the open records, and what they read is
bounded by whoever reads it: slow models would use a common bound up."""
MAX_MESSAGES_ANSWERED = 1_000
"""Messages that are decided and appended together."""
GATE_SECONDS = 0.01
"""How long the handlers of new records are waited for, so that those that are quick are answered together."""

BUCKETS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
append_seconds = Histogram("modelog_append_seconds", "Decide and append a batch", ["service"], buckets=BUCKETS_SECONDS)
hop_seconds = Histogram(
    "modelog_hop_seconds", "From a message's time to its answer", ["service"], buckets=BUCKETS_SECONDS
)

Answer = Callable[[list[CausedCommand[Any]]], Awaitable[Sequence[Undecided[Any]]]]
"""Decides on commands, those of one model in order; returns those that are not decided yet."""
Look = Callable[[Any, LookFirst, Context], Awaitable[Command]]
"""Looks at bytes; returns the command with what was seen."""


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


Decidable = tuple[PendingMessage, CausedCommand[Command]]


class Processor:
    """How a service handles the records of Kafka; `troubles` are the transient errors that it waits for to pass."""

    def __init__(
        self,
        name: str,
        handlers: Mapping[type[Event], Handler],
        answer: Answer,
        dead_letters: DeadLetters,
        log: LogReader,
        context: Context,
        topic_prefix: str = "",
        look: Look | None = None,
    ) -> None:
        self.name = name
        self.handlers = {event: (handler, handler.is_slow) for event, handler in handlers.items()}
        self.answer = answer
        self.look = look
        self.log = log
        self.context = context
        self.troubles = Troubles()
        self._expected = partial(expected_on, prefix=topic_prefix, heard=self.handlers.keys())
        self.parking = Parking(name, dead_letters, log, self.troubles, self._expected)
        self._pending = PendingMessages()
        self._answering = asyncio.Lock()
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        # Finding a metric by its label costs 1 µs: these are found once, `handled` once for each batch and type.
        self._hop_seconds, self._append_seconds = hop_seconds.labels(name), append_seconds.labels(name)
        for event in handlers:
            parked.labels(name, topic_prefix + event.type)
            for outcome in OUTCOMES:
                handled.labels(name, event.type, outcome)

    @property
    def is_answering(self) -> bool:
        """Whether messages are being decided on."""
        return self._answering.locked()

    @property
    def is_handling(self) -> bool:
        """Whether handlers of messages wait for I/O."""
        return self._pending.is_waiting

    async def take(self, records: Sequence[OpenRecord]) -> None:
        """Take these records, and return when no message is ready any more; slow ones are answered when they are.

        No error is raised: transient errors are waited for, and all others park their message.
        """
        batch = await read_all(records, self._expected, lambda positions: self._persist(self.log.facts_at, positions))
        failed, started = [*batch.failed], list[asyncio.Task[Command | None]]()
        context = replace(self.context, now=datetime.now(UTC))
        for opened, message in batch.messages:
            if not opened.is_open:  # its partition was dropped meanwhile
                continue
            try:
                pending = self._started(opened, message, context)
            except Exception as error:
                failed.append((opened, error))
                continue
            if pending.task is not None:
                started.append(pending.task)
            self._pending.add(pending)
        if failed:
            self._beside(self.parking.park(failed))
        if started:
            await asyncio.wait(started, timeout=GATE_SECONDS)
        await self._answer_ready()

    def drop(self) -> None:
        """Forget the messages whose records are open no more, because their partitions were dropped."""
        self._pending.drop()
        self._answer_soon()

    async def close(self) -> None:
        """Stop all that runs beside."""
        for task in (running := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._pending.close()

    def _started(self, opened: OpenRecord, message: Message[Event], context: Context) -> PendingMessage:
        handler, is_slow = self.handlers[type(message.event)]
        if handler.look_up and (command := handler.look_up(message, context)):
            return PendingMessage(opened, message, command)
        if not is_slow:
            return PendingMessage(opened, message, handler.command(message, context))  # type: ignore[arg-type]
        return self._waiting_for(self._run(handler, message, context), PendingMessage(opened, message))

    def _waiting_for(self, command: Coroutine[Any, Any, Command | None], pending: PendingMessage) -> PendingMessage:
        pending.task = asyncio.create_task(command)
        pending.task.add_done_callback(lambda _: self._done(pending))
        return pending

    async def _run(self, handler: Handler, message: Message[Event], context: Context) -> Command | None:
        async with self._slots.setdefault(message.event.model, asyncio.Semaphore(MAX_HANDLERS_OF_MODEL)):
            return await self._persist(handler.command, message, context)  # type: ignore[arg-type]

    def _done(self, pending: PendingMessage) -> None:
        self._pending.note_ready(pending.model)
        self._answer_soon()

    def _answer_soon(self) -> None:
        if self._pending.has_ready and not self.is_answering:
            self._beside(self._answer_ready())

    def _beside(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_ready(self) -> None:
        async with self._answering:
            while ready := self._pending.take(MAX_MESSAGES_ANSWERED):
                await self._answer(ready)

    async def _answer(self, ready: Sequence[PendingMessage]) -> None:
        commands: list[tuple[PendingMessage, CausedCommand[Command]]] = []
        failed: list[tuple[OpenRecord, Exception]] = []
        nothing: list[PendingMessage] = []
        for pending in ready:
            try:
                command = pending.task.result() if pending.task else pending.command
            except Exception as error:
                failed.append((pending.opened, error))
            except asyncio.CancelledError:  # its partition was dropped
                continue
            else:
                if command is None:
                    nothing.append(pending)
                else:
                    commands.append((pending, CausedCommand(command, Cause.of(pending.message))))
        self._close(nothing, "nothing")
        if failed:
            self._beside(self.parking.park(failed))
        if commands:
            with self._append_seconds.time():
                self._look_first(await self._decide(commands))

    async def _decide(self, commands: Sequence[Decidable]) -> list[tuple[PendingMessage, Undecided[Any]]]:
        """Answer these messages; return those that are not decided yet, in their order."""
        try:
            undecided = await self._persist(self.answer, [caused for _, caused in commands])
        except Exception as error:
            if len(commands) == 1:
                self._beside(self.parking.park([(commands[0][0].opened, error)]))
                return []
            return await self._decide_each(commands)
        left = {id(other.caused): other for other in undecided}
        self._close([pending for pending, caused in commands if id(caused) not in left], "answered")
        return [(pending, left[id(caused)]) for pending, caused in commands if id(caused) in left]

    async def _decide_each(self, commands: Sequence[Decidable]) -> list[tuple[PendingMessage, Undecided[Any]]]:
        """One of the messages causes an error; deciding each alone shows which."""
        left: list[tuple[PendingMessage, Undecided[Any]]] = []
        for pending, caused in commands:
            if any(other.model == pending.model for other, _ in left):
                left.append((pending, Undecided(caused)))
            else:
                left += await self._decide([(pending, caused)])
        return left

    def _look_first(self, undecided: Sequence[tuple[PendingMessage, Undecided[Any]]]) -> None:
        """Look at bytes where that comes first, and decide these messages again, in their order."""
        undecided = [(pending, other) for pending, other in undecided if pending.opened.is_open]
        for pending, other in undecided:
            pending.command, pending.task = other.caused.command, None
            if other.look is not None:
                self._waiting_for(self._looked(other.caused.command, other.look), pending)
        self._pending.put_back(pending for pending, _ in undecided)

    async def _looked(self, command: Any, look: LookFirst) -> Command:
        assert self.look is not None, f"{self.name} decides on bytes and has no function that looks at them"
        async with self._slots.setdefault(command.model, asyncio.Semaphore(MAX_HANDLERS_OF_MODEL)):
            return await self._persist(self.look, command, look, self.context)

    def _close(self, ended: Sequence[PendingMessage], outcome: str) -> None:
        now = datetime.now(UTC)
        for type, count in Count(pending.message.event.type for pending in ended).items():
            handled.labels(self.name, type, outcome).inc(count)
        for pending in ended:
            pending.opened.close()
            if pending.message.time is not None:
                self._hop_seconds.observe(max(0.0, (now - pending.message.time).total_seconds()))

    async def _persist(self, work: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """What `work` returns, repeated while its errors are transient."""
        return await self.troubles.persist(lambda: work(*arguments), is_transient)
