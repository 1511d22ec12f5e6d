"""What goes into the log and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact on its way into the log; `data` and `meta` are JSON text."""

    kind: str
    id: UUID
    data: str
    meta: str


@dataclass(frozen=True, slots=True)
class Append:
    """Facts for one stream, to stand right behind the version that their writer decided on."""

    stream: str
    expected: int
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream stands after an append: its version, and the position of its last fact."""

    version: int
    position: int


@dataclass(frozen=True, slots=True)
class Logged:
    """A fact of a stream as it is read to be folded.

    `data` is None where its kind was not asked for, `id` where another source said it.
    """

    stream: str
    version: int
    kind: str
    id: UUID | None
    data: str | None
