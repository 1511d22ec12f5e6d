"""What is said on the bus, remembered from the first word on, each with the moment at which it was heard here."""

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
class Heard(Generic[E]):
    """A message, and when it was heard, in seconds since 1970."""

    message: Message[E]
    at: float


@dataclass
class Listener:
    """Listens to every topic, `parked` too, and answers when somebody asks what was said."""

    servers: str
    prefix: str
    patience: float
    heard: list[Heard[Event]] = field(default_factory=list)
    parked: list[tuple[str, float]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def position(self) -> int:
        """The position in the log of the last fact."""
        return max((one.message.sequence or 0 for one in self.heard), default=0)

    async def listen(self) -> None:
        """Hear every event, until cancelled."""
        async with Registry(self.servers, prefix=self.prefix, source="demo") as registry:
            async for message in registry.subscribe(*EVENTS, group=None):
                async with self.news:
                    self.heard.append(Heard(message, time.time()))
                    self.news.notify_all()

    async def listen_to_parked(self) -> None:
        """Hear why records were parked, until cancelled."""
        consumer = AIOKafkaConsumer(
            self.prefix + PARKED, bootstrap_servers=self.servers, group_id=None, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            async for record in consumer:
                reason = dict(record.headers)["parked_reason"].decode()
                async with self.news:
                    self.parked.append((reason, time.time()))
                    self.news.notify_all()
        finally:
            await consumer.stop()

    async def hear(self, type: type[E], **fields: object) -> Heard[E]:
        """The first event of this type with these fields, now or as soon as it is said."""

        def matching() -> Iterator[Heard[Event]]:
            for one in self.heard:
                event = one.message.event
                if isinstance(event, type) and all(getattr(event, name) == value for name, value in fields.items()):
                    yield one

        told = " and ".join(f"{name} {value}" for name, value in fields.items())
        await self._wait(lambda: any(matching()), f"{type.type} with {told}")
        return cast("Heard[E]", next(matching()))

    async def hear_parked(self) -> tuple[str, float]:
        """Why the first record was parked, and when that was heard."""
        await self._wait(lambda: bool(self.parked), "the garbage on `parked`")
        return self.parked[0]

    async def _wait(self, come: Callable[[], bool], what: str) -> None:
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(come), self.patience)
            except TimeoutError:
                latest = ", ".join(one.message.event.type for one in self.heard[-5:]) or "nothing"
                raise DemoError(f"{what} did not come within {self.patience:.0f} s; heard last: {latest}") from None
