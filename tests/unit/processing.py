"""A processor without servers: the log is a list of batches, and the topic `parked` the reasons by model."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast
from uuid import UUID

from aiokafka import ConsumerRecord
from modelog.envelope import Message, encode
from modelog.events import Event, Fact, ModelTrained, ModelValidated
from modelog.policy import DEFAULT

from shared.bus.dead_letters import DeadLetter
from shared.bus.open_records import OpenRecords
from shared.bus.processor import Handler, Processor
from shared.domain.command import CausedCommand, Undecided
from shared.domain.looking import LookFirst
from shared.runtime.runtime import Context
from tests.examples import NOON, trained

OFFSETS = count(1)


class Service:
    """In place of the log it has a list of batches, and in place of the topic `parked` the reasons by model."""

    def __init__(
        self, command: Callable[[Message[Any], Context], Any], look_up: Any = None, event: type[Event] = ModelTrained
    ) -> None:
        self.batches: list[list[str]] = []
        self.parked: dict[str, str] = {}
        self.facts: dict[tuple[int, UUID], Message[Fact]] = {}
        self.causes: set[UUID] = set()
        self.offsets_parked: set[int] = set()
        self.fails: Callable[[list[str]], Exception | None] = lambda _: None
        self.looks_first: Callable[[Any], bool] = lambda _: False
        self.open = OpenRecords()
        context = Context(NOON, DEFAULT, {})
        handlers = {event: Handler(command, look_up)}
        self.processor = Processor("test", handlers, self.answer, cast(Any, self), self, context, look=self.look)

    async def answer(self, commands: list[CausedCommand[Any]]) -> Sequence[Undecided[Any]]:
        runs = [f"{caused.command.model}/{getattr(caused.command, 'run', 'fact')}" for caused in commands]
        if error := self.fails(runs):
            raise error
        undecided: dict[str, list[Undecided[Any]]] = {}
        for caused in commands:
            model = caused.command.model
            if model in undecided:
                undecided[model].append(Undecided(caused))
            elif self.looks_first(caused.command):
                undecided[model] = [Undecided(caused, LookFirst("sha256:0"))]
        left = [id(other.caused) for several in undecided.values() for other in several]
        if decided := [run for run, caused in zip(runs, commands, strict=True) if id(caused) not in left]:
            self.batches.append(decided)
        return [other for several in undecided.values() for other in several]

    async def look(self, command: Any, _look: LookFirst, _context: Context) -> Any:
        """A look that sees everything at once."""
        return command.model_copy(update={"description": "seen"})

    async def park(self, letters: Sequence[DeadLetter], _: datetime) -> None:
        self.parked |= {letter.record.key.decode(): letter.reason for letter in letters}

    async def facts_at(self, _: Collection[int]) -> dict[tuple[int, UUID], Message[Fact]]:
        return self.facts

    async def answered(self, causes: Iterable[UUID]) -> set[UUID]:
        return self.causes & set(causes)

    async def parked_before(self, _: str, originals: Collection[Any]) -> set[Any]:
        return {original for original in originals if original[2] in self.offsets_parked}

    async def start(self, *records: Any) -> None:
        """Take the records, and answer what is ready."""
        for record in records:
            self.open.add(record)
        await self.processor.take([opened for record in records if (opened := self.open.opened(record))])

    async def take(self, *records: Any) -> list[str]:
        """The runs that were answered, once every record is closed."""
        await self.start(*records)
        await self.open.wait_until_closed(list(self.open.partitions))
        return [run for runs in self.batches for run in runs]


def record(model: str, run: str = "run", event: Event | None = None, offset: int = 0, **envelope: Any) -> Any:
    report = event or trained(run).model_copy(update={"model": model})
    key, value, headers = encode(report, source="/test", time=datetime.now(UTC), **envelope)
    offset = offset or next(OFFSETS)
    topic = "model.validated" if isinstance(event, ModelValidated) else "model.trained"
    return ConsumerRecord(topic, 0, offset, 0, 0, key, value, None, len(key), len(value), tuple(headers))
