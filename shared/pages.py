"""A persistent mapping whose old part lies in pages, each of which is read when it is first asked for something."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from immutables import Map
from pydantic import TypeAdapter

K = TypeVar("K", int, str)
V = TypeVar("V")

NUMBERS = 256
"""Neighbouring numbers in a page: versions grow at one end, so few pages change between two snapshots."""
TEXTS = 64
"""Pages that texts are spread over."""


class Page(Generic[V]):
    """Some entries, as they are stored: JSON, compressed."""

    def __init__(self, adapter: TypeAdapter[Any], raw: bytes) -> None:
        self.adapter = adapter
        self.raw = raw

    @cached_property
    def entries(self) -> dict[Any, V]:
        """What the page holds."""
        entries: dict[Any, V] = self.adapter.validate_json(zlib.decompress(self.raw))
        return entries


class Pages(Generic[K, V]):
    """Numbers or texts to values; `set` makes another one in O(log n), and leaves this one as it is.

    Keys are never taken out. With 50,000 versions in it, it is ready as soon as its bytes are here, where a dictionary
    of as many objects takes a fifth of a second to build (figures: docs/performance.md).
    """

    __slots__ = ("_size", "kept", "recent")

    def __init__(
        self, kept: Mapping[int, Page[V]] | None = None, recent: Map[K, V] | None = None, size: int = 0
    ) -> None:
        self.kept: Mapping[int, Page[V]] = {} if kept is None else kept
        self.recent: Map[K, V] = Map() if recent is None else recent
        self._size = size

    def set(self, key: K, value: V) -> Pages[K, V]:
        """The same with this value under the key."""
        return Pages(self.kept, self.recent.set(key, value), self._size + (key not in self))

    def get(self, key: K) -> V | None:
        """The value under the key, None if there is none."""
        if key in self.recent:
            return self.recent[key]
        page = self.kept.get(_page(key))
        return None if page is None else page.entries.get(key)

    def __getitem__(self, key: K) -> V:
        return self.recent[key] if key in self.recent else self.kept[_page(key)].entries[key]

    def __contains__(self, key: K) -> bool:
        if key in self.recent or not self.kept:
            return key in self.recent
        page = self.kept.get(_page(key))
        return page is not None and key in page.entries

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        kept = (key for page in self.kept.values() for key in page.entries if key not in self.recent)
        yield from kept
        yield from self.recent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pages) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        return hash(frozenset(self))

    def items(self) -> Iterator[tuple[K, V]]:
        """Every key with its value."""
        return ((key, self[key]) for key in self)

    def sealed(self, adapter: TypeAdapter[Any]) -> Pages[K, V]:
        """The same with everything in pages; only those are written anew that something came to."""
        came: defaultdict[int, dict[K, V]] = defaultdict(dict)
        for key, value in self.recent.items():
            came[_page(key)][key] = value
        kept = dict(self.kept)
        for number, entries in came.items():
            before = kept[number].entries if number in kept else {}
            kept[number] = Page(adapter, zlib.compress(adapter.dump_json(before | entries), level=1))
        return Pages(kept, Map(), self._size)


def _page(key: int | str) -> int:
    return key // NUMBERS if isinstance(key, int) else zlib.crc32(key.encode()) % TEXTS
