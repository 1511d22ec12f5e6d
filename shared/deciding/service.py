"""A deciding service: messages and ticks in, commands out, facts into the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from modelog.envelope import Message
from modelog.events import Event, Fact, MessageConflicted

from shared.bus.consumer import ServiceConsumer
from shared.bus.dead_letters import DeadLetters
from shared.bus.processor import Answer, Handler, Look, Processor
from shared.deciding import clock
from shared.deciding.clock import Schedule, Work, run_schedules
from shared.deciding.command_handler import CommandHandler
from shared.domain.command import CausedCommand, Undecided
from shared.domain.decider import Command, Decider
from shared.domain.looking import LookFirst
from shared.log import Log
from shared.runtime.runtime import Context, Resource, Runtime

__all__ = ["Context", "Service"]

E = TypeVar("E", bound=Event)
S = TypeVar("S")
LookUp = Callable[[Message[E], Context], Command | None]
LookUpBytes = Callable[[Any, LookFirst, Context], Command | None]
"""Returns the command with what was seen lately, or None: nothing is known without a request."""
MakeCommand = LookUp[E] | Callable[[Message[E], Context], Awaitable[Command | None]]


class Service:
    """Handlers around one or more deciders. Opens nothing until it runs, and then only what `needs` names."""

    def __init__(self, name: str, *deciders: Decider[Any, Any], needs: Sequence[type[Resource]] = ()) -> None:
        self.name = name
        self.deciders = deciders
        self.needs = needs
        self.handlers: dict[type[Event], Handler] = {}
        self.schedules: list[Schedule] = []
        self.look: Look | None = None
        self.look_up: LookUpBytes | None = None

    def on(self, event: type[E], look_up: LookUp[E] | None = None) -> Callable[[MakeCommand[E]], MakeCommand[E]]:
        """Hear `event`; the function makes a command of its message, or None where there is nothing to decide.

        It may be a coroutine function: it is a task then, and is called again after transient errors. If `look_up`
        returns the command, no task is made.
        """

        def register(command: MakeCommand[E]) -> MakeCommand[E]:
            self.handlers[event] = Handler(command, look_up)
            return command

        return register

    def looks(self, look_up: LookUpBytes | None = None) -> Callable[[Look], Look]:
        """Where a decision returns LookFirst, the function looks at the bytes and returns the command with what it saw.

        It is called again after transient errors; the other messages of the model wait meanwhile, those of others not.
        If `look_up` returns the command, nothing waits.
        """

        def register(look: Look) -> Look:
            self.look, self.look_up = look, look_up
            return look

        return register

    def every(self, interval: timedelta) -> Callable[[Work], Work]:
        """Call the function at this interval, once over all instances; it returns the commands that follow."""

        def register(work: Work) -> Work:
            self.schedules.append(Schedule(f"{self.name}.{work.__name__}", interval, work))
            return work

        return register

    @property
    def answers(self) -> tuple[type[Fact], ...]:
        """The facts that it may append."""
        facts = tuple(fact for decider in self.deciders for fact in decider.answers)
        hears_others = any(not issubclass(event, Fact) for event in self.handlers)
        return (*facts, MessageConflicted) if hears_others else facts

    def describe(self) -> dict[str, str]:
        """What it hears and which facts it answers with."""
        return {
            "hears": ", ".join(event.type for event in self.handlers),
            "answers": ", ".join(fact.type for fact in self.answers),
        }

    async def run(self, runtime: Runtime) -> None:
        """Answer messages and ticks until the process stops."""
        context = self._context(runtime)
        settings = runtime.settings
        answer = self._answer(runtime, context)
        dead_letters = DeadLetters(settings.kafka, settings.topic_prefix, self.name)
        log = Log(runtime.pool)
        processor = Processor(
            self.name, self.handlers, answer, dead_letters, log, context, settings.topic_prefix, self.look
        )
        topics = [event.type for event in self.handlers]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ServiceConsumer(settings, self.name, topics, processor).run(runtime))
                group.create_task(run_schedules(runtime, self.schedules, context, self._looking(answer, context)))
        finally:
            await processor.close()
            await dead_letters.close()

    def _context(self, runtime: Runtime) -> Context:
        # Opened now, so that the first message does not wait for the import of a client.
        resources = {need: runtime.resource(need) for need in self.needs}
        return Context(datetime.now(UTC), runtime.policy, resources)

    def _looking(self, answer: Answer, context: Context) -> clock.Answer:
        """For commands that come from no message, so nobody waits behind them: look at bytes until all are decided."""

        async def decide(commands: list[CausedCommand[Any]]) -> None:
            while undecided := await answer(commands):
                commands = [await self._looked(other, context) for other in undecided]

        return decide

    async def _looked(self, undecided: Undecided[Any], context: Context) -> CausedCommand[Any]:
        caused = undecided.caused
        if undecided.look is None or self.look is None:
            return caused
        return replace(caused, command=await self.look(caused.command, undecided.look, context))

    def _looking_up(self, decider: Decider[S, Any], context: Context) -> Decider[S, Any]:
        """The same decisions, with what was seen lately."""

        def decide(state: S, command: Any) -> Sequence[Fact] | LookFirst:
            facts = decider.decide(state, command)
            if self.look_up and isinstance(facts, LookFirst) and (known := self.look_up(command, facts, context)):
                return decider.decide(state, known)
            return facts

        return replace(decider, decide=decide)

    def _answer(self, runtime: Runtime, context: Context) -> Answer:
        """Each command to the decider that takes its type."""
        log, locks, key = Log(runtime.pool), runtime.stream_locks, runtime.settings.snapshot_key
        deciders = [self._looking_up(decider, context) for decider in self.deciders]
        handlers = [CommandHandler(log, decider, locks, snapshot_key=key) for decider in deciders]

        async def answer(commands: Sequence[CausedCommand[Any]]) -> list[Undecided[Any]]:
            if len(handlers) == 1:
                return (await handlers[0].answer(commands)).undecided
            undecided: list[Undecided[Any]] = []
            for handler in handlers:
                own = [c for c in commands if isinstance(c.command, handler.decider.commands)]
                undecided += (await handler.answer(own)).undecided
            return undecided

        return answer
