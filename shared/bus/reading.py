"""From records to messages: reports and requests are decoded, facts are read from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

import structlog
from aiokafka import ConsumerRecord
from modelog.contents import NOTHING
from modelog.envelope import Message, Unreadable, decode
from modelog.events import BY_TYPE, EVENTS, Event, Fact, ModelTrained
from modelog.modes import STRUCTURED, batched
from prometheus_client import Counter

from shared.bus.open_records import OpenRecord
from shared.domain.sentences import join_limited

logger = structlog.get_logger()
metrics_without_value = Counter("modelog_metrics_without_value", "Metrics that were null, left out", ["type"])
unknown_fields_ignored = Counter("modelog_unknown_fields", "Fields of newer senders that were ignored", ["type"])
for _event in EVENTS:
    if not issubclass(_event, Fact):
        unknown_fields_ignored.labels(_event.type)
metrics_without_value.labels(ModelTrained.type)

MAX_NAMED = 5
"""Names of metrics in a line of the log."""
RECORDS_IN_SLICE = 100
"""Records that are decoded before the event loop does something else; about 2 ms."""

Original = tuple[str, int, int, bytes]
"""Topic, partition, offset and digest of a record."""


class LogReader(Protocol):
    """What a service asks the log about the messages that it hears."""

    async def facts_at(self, positions: Collection[int]) -> Mapping[tuple[int, UUID], Message[Fact]]:
        """The facts at these positions of the log, by position and id."""

    async def answered(self, causes: Iterable[UUID]) -> set[UUID]:
        """Those of the causes that a fact of the log names."""

    async def parked_before(self, service: str, originals: Collection[Original]) -> set[Original]:
        """Those of the records that the service has parked."""


@dataclass(frozen=True)
class Hint:
    """What a record on a topic of facts is believed: where in the log to look."""

    position: int
    id: UUID
    event: type[Event]
    key: bytes | None

    def found(self, facts: Mapping[tuple[int, UUID], Message[Fact]]) -> Message[Fact]:
        """The fact of the log; raise Unreadable if the record names no fact."""
        message = facts.get((self.position, self.id))
        if message is None or type(message.event) is not self.event or self.key != message.event.model.encode():
            raise Unreadable(
                f"expected the fact {self.id} at position {self.position} of the log, found none or another there: "
                "only modelog publishes facts, publish a report or a request"
            )
        return message


def expected_on(topic: str, prefix: str, heard: Collection[type[Event]]) -> type[Event] | None:
    """The type of the events on a topic, if the service hears it."""
    event = BY_TYPE.get(topic.removeprefix(prefix))
    return event if event in heard else None


def read(record: ConsumerRecord[Any, Any], event: type[Event]) -> Message[Event] | Hint:
    """The message in a record of this event's topic, or where its fact is; raise Unreadable if it has neither."""
    if issubclass(event, Fact):
        return _hint(record, event)
    message = decode(record.key, record.value, record.headers, strict=True)
    if type(message.event) is not event:
        raise Unreadable(
            f"expected {event.type} on {record.topic}, found {message.event.type}: send it to its topic", message.cause
        )
    if message.notes is not NOTHING:
        _note(message)
    return message


def _note(message: Message[Event]) -> None:
    """What is missing from an event is counted, and named in the log: no fact can show it."""
    notes, event = message.notes, message.event
    metrics_without_value.labels(event.type).inc(len(notes.dropped))
    unknown_fields_ignored.labels(event.type).inc(len(notes.ignored))
    if notes.dropped or notes.ignored:
        logger.warning(
            "parts of a message were left out",
            type=event.type,
            model=event.model,
            id=message.id,
            source=message.source,
            metrics_without_value=notes.dropped[:MAX_NAMED],
            unknown_fields=notes.ignored,
        )


def _hint(record: ConsumerRecord[Any, Any], event: type[Event]) -> Hint:
    headers = {name.lower(): value or b"" for name, value in record.headers}
    try:
        position, id = int(headers["ce_sequence"]), UUID(headers["ce_id"].decode())
        if not 0 < position < 2**63:
            raise ValueError(position)
    except (KeyError, ValueError):
        raise Unreadable(
            f"expected the position and the id of a fact in `ce_sequence` and `ce_id` on {record.topic}, found others: "
            "only modelog publishes facts, publish a report or a request"
        ) from None
    return Hint(position, id, event, record.key)


@dataclass(frozen=True)
class Batch:
    """Records as they were read: in order, each with its message, or with the reason why it has none."""

    messages: Sequence[tuple[OpenRecord, Message[Event]]]
    failed: Sequence[tuple[OpenRecord, Exception]]


async def read_all(
    records: Sequence[OpenRecord],
    expected: Callable[[str], type[Event] | None],
    facts_at: Callable[[Collection[int]], Awaitable[Mapping[tuple[int, UUID], Message[Fact]]]],
) -> Batch:
    """Read the records; the facts of all of them come in one query."""
    found: list[tuple[OpenRecord, Message[Event] | Hint]] = []
    failed: list[tuple[OpenRecord, Exception]] = []
    for number, opened in enumerate(records, 1):
        try:
            event = expected(opened.record.topic)
            assert event is not None, f"{opened.record.topic} was not subscribed to"
            if batch := _batch(opened.record, event):
                messages, wrong = await _read_batch(batch, event)
                parts = opened.split(len(messages) + bool(wrong))
                found += zip(parts, messages, strict=False)
                failed += [(parts[-1], wrong)] if wrong else []
            else:
                found.append((opened, read(opened.record, event)))
        except Exception as error:
            failed.append((opened, error))
        if number % RECORDS_IN_SLICE == 0:
            await asyncio.sleep(0)
    positions = {message.position for _, message in found if isinstance(message, Hint)}
    facts = await facts_at(positions) if positions else {}
    read_messages: list[tuple[OpenRecord, Message[Event]]] = []
    for opened, message in found:
        try:
            read_messages.append((opened, message.found(facts) if isinstance(message, Hint) else message))
        except Unreadable as error:
            failed.append((opened, error))
    return Batch(read_messages, failed)


def _batch(record: ConsumerRecord[Any, Any], event: type[Event]) -> list[ConsumerRecord[Any, Any]]:
    """The records that the events of a batch would be; none of a record that is no batch of several."""
    events = None if issubclass(event, Fact) else batched(record.value, record.headers)
    return [replace(record, value=value, headers=(("content-type", STRUCTURED),)) for value in events or ()]


async def _read_batch(
    batch: Sequence[ConsumerRecord[Any, Any]], event: type[Event]
) -> tuple[list[Message[Event]], Unreadable | None]:
    """The messages of a batch, and what is wrong with its other events: those are parked, with the whole batch."""
    messages, wrong = list[Message[Event]](), list[str]()
    for number, record in enumerate(batch, 1):
        try:
            message = read(record, event)
            assert isinstance(message, Message)
            messages.append(message)
        except Unreadable as error:
            wrong.append(f"event {number}: {error}")
        await asyncio.sleep(0)
    if not wrong:
        return messages, None
    listed = join_limited(wrong)
    return messages, Unreadable(
        f"of {len(batch)} events in a batch {len(wrong)} cannot be read, the others are answered: {listed}"
    )
