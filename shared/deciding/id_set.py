"""A persistent set of ids, sixteen bytes each."""

from __future__ import annotations

from bisect import bisect_left

from immutables import Map

WIDTH = 16
RECENT = 64
"""Ids that are not sorted in yet, or a sixteenth of all: so sorting costs an id about 5 µs."""


class IdSet:
    """`add` makes another set and leaves this one as it is. An id takes 16 bytes, in a `Map` of objects 140."""

    __slots__ = ("_recent", "_sorted")

    def __init__(self, sorted: bytes = b"", recent: Map[bytes, None] | None = None) -> None:
        self._sorted = sorted
        self._recent: Map[bytes, None] = Map() if recent is None else recent

    def add(self, id: bytes) -> IdSet:
        """The same with this id."""
        after = IdSet(self._sorted, self._recent.set(id, None))
        return IdSet(bytes(after)) if len(after._recent) >= max(RECENT, len(self._sorted) // WIDTH // 16) else after

    def __contains__(self, id: bytes) -> bool:
        if id in self._recent:
            return True
        place = bisect_left(range(len(self._sorted) // WIDTH), id, key=self._at)
        return self._at(place) == id

    def _at(self, place: int) -> bytes:
        return self._sorted[place * WIDTH : (place + 1) * WIDTH]

    def __bytes__(self) -> bytes:
        """All of them, in order."""
        if not self._recent:
            return self._sorted
        # Two sorted runs behind each other are merged by the sort in one pass.
        every = [self._at(place) for place in range(len(self._sorted) // WIDTH)] + sorted(self._recent)
        every.sort()
        return b"".join(dict.fromkeys(every))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))
