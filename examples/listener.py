"""Every event on the bus from the beginning, with the time at which it was received here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from aiokafka import AIOKafkaConsumer
from modelog import EVENTS, Event, Message, Registry

from examples.errors import DemoError
from shared.bus.topics import PARKED

E = TypeVar("E", bound=Event, covariant=True)


@dataclass(frozen=True)
class Received(Generic[E]):
    """A message, and when it was received, in seconds since 1970."""

    message: Message[E]
    at: float


@dataclass
class Listener:
    """Reads every topic, `parked` too, and waits for the events that it is asked for, at most `seconds` for each."""

    servers: str
    prefix: str
    seconds: float
    received: list[Received[Event]] = field(default_factory=list)
    parked: list[tuple[str, float]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def position(self) -> int:
        """The position in the log of the last fact."""
        return max((received.message.sequence or 0 for received in self.received), default=0)

    async def read_events(self) -> None:
        """Receive every event, until cancelled."""
        async with Registry(self.servers, prefix=self.prefix, source="demo") as registry:
            async for message in registry.subscribe(*EVENTS, group=None):
                async with self.changed:
                    self.received.append(Received(message, time.time()))
                    self.changed.notify_all()

    async def read_parked(self) -> None:
        """Receive the reason of every parked record, until cancelled."""
        consumer = AIOKafkaConsumer(
            self.prefix + PARKED, bootstrap_servers=self.servers, group_id=None, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            async for record in consumer:
                reason = dict(record.headers)["parked_reason"].decode()
                async with self.changed:
                    self.parked.append((reason, time.time()))
                    self.changed.notify_all()
        finally:
            await consumer.stop()

    async def wait_for(self, type: type[E], **fields: object) -> Received[E]:
        """The first event of this type with these fields; wait for it if it has not come yet."""

        def matching() -> Iterator[Received[Event]]:
            for received in self.received:
                event = received.message.event
                if isinstance(event, type) and all(getattr(event, name) == value for name, value in fields.items()):
                    yield received

        described = " and ".join(f"{name} {value}" for name, value in fields.items())
        await self._wait(lambda: any(matching()), f"{type.type} with {described}")
        return cast("Received[E]", next(matching()))

    async def wait_for_parked(self) -> tuple[str, float]:
        """Why the first record was parked, and when that was received."""
        await self._wait(lambda: bool(self.parked), "the garbage on `parked`")
        return self.parked[0]

    async def _wait(self, condition: Callable[[], bool], expected: str) -> None:
        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(condition), self.seconds)
            except TimeoutError:
                latest = ", ".join(received.message.event.type for received in self.received[-5:]) or "nothing"
                raise DemoError(
                    f"{expected} did not come within {self.seconds:.0f} s; the last were: {latest}"
                ) from None
