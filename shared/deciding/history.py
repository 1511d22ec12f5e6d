"""The streams that a service decided on last, kept in a limited number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar
from uuid import UUID

from immutables import Map

from shared.domain.paged_map import PagedMap

S = TypeVar("S")

MAX_HISTORY_BYTES = 64 * 1024 * 1024
"""The memory for the histories of one decider; those that were used longest ago are read from the log again."""
BASE_BYTES, MAP_ENTRY_BYTES = 2_000, 1_000
"""Estimates: a history without its collections, and an entry of a `Map`."""

NO_FACT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class History(Generic[S]):
    """A stream as a decider knows it: the folded state, and the version, position and id of the last fact in it.

    These three name the fact: a log that lost commits gives versions and positions out again. `snapshot_version` is the
    version of the last snapshot.
    """

    state: S
    version: int = 0
    position: int = 0
    id: UUID = NO_FACT
    snapshot_version: int = 0

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory it takes."""
        state: Any = self.state
        values = (getattr(state, field.name) for field in fields(state))
        return BASE_BYTES + sum(map(_nbytes, values))


class Histories(Generic[S]):
    """The histories that were used last."""

    def __init__(self, max_bytes: int = MAX_HISTORY_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, tuple[History[S], int]] = OrderedDict()

    def get(self, stream: str) -> History[S] | None:
        """The history of the stream, if it is kept."""
        kept = self._kept.get(stream)
        return kept and kept[0]

    def keep(self, stream: str, history: History[S]) -> None:
        """Keep it, and drop those that were used longest ago while all take too many bytes."""
        _, before = self._kept.pop(stream, (None, 0))
        self._kept[stream] = history, (now := history.nbytes)
        self._bytes += now - before
        while self._bytes > self._max_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= dropped

    def __len__(self) -> int:
        return len(self._kept)


def _nbytes(value: Any) -> int:
    if isinstance(value, PagedMap):
        return value.nbytes
    return MAP_ENTRY_BYTES * len(value) if isinstance(value, Map) else 0
