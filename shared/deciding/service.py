"""A deciding service: messages in, commands out, facts into the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from modelog.events import Event

from shared.bus.consumer import Subscription
from shared.bus.dead_letters import Parking
from shared.deciding.batch import BatchProcessor, Context, Handler
from shared.deciding.command_handler import CommandHandler
from shared.domain.decider import Command, Decider
from shared.runtime.runtime import Runtime

__all__ = ["Context", "Service"]

S = TypeVar("S")
C = TypeVar("C", bound=Command)
H = TypeVar("H", bound=Handler)


class Service(Generic[S, C]):
    """Handlers around one decider. Opens nothing until it runs.

    A handler is told a message and a `Context`, and makes a command of it, or None where there is nothing to ask. It
    may be a coroutine; it is run again when the machine fails it.
    """

    def __init__(self, name: str, decider: Decider[S, C]) -> None:
        self.name = name
        self.decider = decider
        self.handlers: dict[type[Event], Handler] = {}

    def on(self, event: type[Event]) -> Callable[[H], H]:
        """Hear `event`, and make a command of it with the function below."""

        def heard(handler: H) -> H:
            self.handlers[event] = handler
            return handler

        return heard

    def describe(self) -> dict[str, str]:
        """What it hears and what it may say."""
        return {
            "hears": ", ".join(event.type for event in self.handlers),
            "says": ", ".join(fact.type for fact in self.decider.says),
        }

    async def run(self, process: Runtime) -> None:
        """Answer what is heard until the process stops."""
        settings = process.settings
        parking = Parking(settings.kafka_servers, settings.topic_prefix, self.name)

        artifacts = process.artifacts  # opened now: the first message shall not wait for the client's import

        def context() -> Context:
            return Context(datetime.now(UTC), process.policy, artifacts)

        # With shared flushes a loop took 3 ms longer: a service waited for the transaction of another.
        answering = CommandHandler(process.log.beside(), self.name, self.decider)
        intake = BatchProcessor(self.name, self.handlers, answering, parking, context)
        topics = [settings.topic_prefix + event.type for event in self.handlers]
        try:
            await Subscription(settings, self.name, topics, intake.take).run(process)
        finally:
            await parking.close()
