"""A persistent set of ids, sixteen bytes each."""

from __future__ import annotations

from bisect import bisect_left

from immutables import Map

ID_BYTES = 16
RECENT_ID_BYTES = 140
"""The memory of an id in a `Map`."""
MIN_RECENT = 64
"""Ids that are not sorted yet, or a sixteenth of all: sorting then costs an id about 5 µs."""


class IdSet:
    """`add` returns another set and leaves this one as it is. A sorted id takes 16 bytes, in a `Map` 140."""

    __slots__ = ("_recent", "_sorted", "nbytes")

    nbytes: int
    """About how many bytes of memory it takes."""

    def __init__(self, sorted: bytes = b"", recent: Map[bytes, None] | None = None) -> None:
        self._sorted = sorted
        self._recent: Map[bytes, None] = Map() if recent is None else recent
        self.nbytes = len(sorted) + RECENT_ID_BYTES * len(self._recent)

    def add(self, id: bytes) -> IdSet:
        """The same with this id."""
        after = IdSet(self._sorted, self._recent.set(id, None))
        full = len(after._recent) >= max(MIN_RECENT, len(self._sorted) // ID_BYTES // 16)
        return IdSet(bytes(after)) if full else after

    def __contains__(self, id: bytes) -> bool:
        if id in self._recent:
            return True
        place = bisect_left(range(len(self._sorted) // ID_BYTES), id, key=self._at)
        return self._at(place) == id

    def _at(self, place: int) -> bytes:
        return self._sorted[place * ID_BYTES : (place + 1) * ID_BYTES]

    def __bytes__(self) -> bytes:
        """All ids, in order."""
        if not self._recent:
            return self._sorted
        # The sort merges two sorted runs in one pass.
        ids = [self._at(place) for place in range(len(self._sorted) // ID_BYTES)] + sorted(self._recent)
        ids.sort()
        return b"".join(dict.fromkeys(ids))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))
