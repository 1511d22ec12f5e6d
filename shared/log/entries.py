"""The values that are written to the log and read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg
import orjson
from modelog.envelope import Message
from modelog.events import BY_TYPE, Fact

ACTOR_SCHEMA = 2
"""In facts of an older schema `meta.actor` is the source of the message, and the actor is not known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact to be appended; `data` and `meta` are JSON text."""

    kind: str
    id: UUID
    data: str
    meta: str


@dataclass(frozen=True, slots=True)
class Append:
    """Facts for one stream, whose writer decided at version `expected`."""

    stream: str
    expected: int
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream after an append: its version, and the position of its last fact."""

    version: int
    position: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads streams: a decider, the fold of its snapshots, its source in `meta`, and the kinds that it folds.

    Without a fold no snapshot is read.
    """

    decider: str
    fold: str | None
    source: str
    kinds: Sequence[str]


class Known(Protocol):
    """A stream as it was read: the version, the position and the id of its last fact; of an empty stream version 0."""

    @property
    def version(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def id(self) -> UUID: ...


def read_fact(kind: str, data: str) -> Fact:
    """The fact in a row of the log. Every stored fact is read here, so upcasts of old shapes belong here."""
    fact = BY_TYPE[kind].model_validate_json(data)
    assert isinstance(fact, Fact)
    return fact


def read_message(row: asyncpg.Record) -> Message[Fact]:
    """The fact in a row (position, kind, id, at, data, meta) as the message that the relay publishes."""
    meta = orjson.loads(row["meta"])
    return Message(
        event=read_fact(row["kind"], row["data"]),
        id=str(row["id"]),
        source=meta["source"],
        time=row["at"],
        sequence=row["position"],
        correlation=meta["correlation"],
        causation=meta["causation"],
        traceparent=meta.get("traceparent"),
        actor=meta.get("actor") if meta.get("schema", 1) >= ACTOR_SCHEMA else None,
    )
