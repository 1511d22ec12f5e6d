"""The values that are written to the log and read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from modelog.events import BY_TYPE, Fact


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
    """Who reads streams: a decider, the fold of its snapshots, its source in `meta`, and the kinds that it folds."""

    decider: str
    fold: str
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
