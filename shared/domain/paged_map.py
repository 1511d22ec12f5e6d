"""A persistent mapping whose old part lies in compressed pages, each read when it is asked for something."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

from immutables import Map
from pydantic import ConfigDict, TypeAdapter

K = TypeVar("K", int, str)
V = TypeVar("V")

NUMBERS = 64
"""Neighbouring numbers in a page: versions grow at one end, so few pages change between two snapshots."""
TEXTS = 64
"""Pages that texts are spread over."""
RECENT = 32
"""Entries that stay as they are, or a sixteenth of all: so writing pages anew costs a version about 10 µs."""
AT_HAND = 256
"""Pages of all mappings that are kept as they were last read."""


class Block:
    """Some entries, as they are stored: JSON, compressed."""

    def __init__(self, form: TypeAdapter[Any], raw: bytes) -> None:
        self.form = form
        self.raw = raw


class PagedMap(Generic[K, V]):
    """Numbers or texts to values; `set` makes another one and leaves this one as it is. No key is taken out.

    Of 50,000 versions, each takes a tenth of the memory of its objects, and all are ready as soon as their bytes are
    here, where a dictionary takes a fifth of a second to build (figures: docs/performance.md).
    """

    __slots__ = ("_form", "_size", "kept", "recent")

    kept: Mapping[int, Block]
    recent: Map[K, V]

    def __init__(self, key: type[K], value: type[V]) -> None:
        self._form, self.kept, self.recent, self._size = _form(key, value), {}, Map(), 0

    def set(self, key: K, value: V) -> PagedMap[K, V]:
        """The same with this value under the key."""
        size = self._size + (key not in self)
        after = self._with(self.kept, self.recent.set(key, value), size)
        return after.sealed() if len(after.recent) >= max(RECENT, size // 16) else after

    def get(self, key: K) -> V | None:
        """The value under the key, None if there is none."""
        if key in self.recent:
            return self.recent[key]
        page = self.kept.get(_page(key))
        return None if page is None else _entries(page).get(key)

    def __getitem__(self, key: K) -> V:
        value: V = self.recent[key] if key in self.recent else _entries(self.kept[_page(key)])[key]
        return value

    def __contains__(self, key: K) -> bool:
        if key in self.recent or not self.kept:
            return key in self.recent
        page = self.kept.get(_page(key))
        return page is not None and key in _entries(page)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        yield from (key for page in self.kept.values() for key in _entries(page) if key not in self.recent)
        yield from self.recent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PagedMap) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        return hash(frozenset(self))

    def items(self) -> Iterator[tuple[K, V]]:
        """Every key with its value."""
        return ((key, self[key]) for key in self)

    def sealed(self) -> PagedMap[K, V]:
        """The same with everything in pages; only those are written anew that something came to."""
        came: defaultdict[int, dict[K, V]] = defaultdict(dict)
        for key, value in self.recent.items():
            came[_page(key)][key] = value
        kept = dict(self.kept)
        for number, entries in came.items():
            before = _entries(kept[number]) if number in kept else {}
            kept[number] = Block(self._form, zlib.compress(self._form.dump_json(before | entries), level=1))
        return self._with(kept, Map(), self._size)

    def opened(self, kept: Mapping[int, bytes], size: int) -> PagedMap[K, V]:
        """Pages like these, so many entries in them, as they were stored."""
        return self._with({number: Block(self._form, raw) for number, raw in kept.items()}, Map(), size)

    @property
    def schema(self) -> dict[str, Any]:
        """What the pages hold, as JSON Schema."""
        return self._form.json_schema()

    def _with(self, kept: Mapping[int, Block], recent: Map[K, V], size: int) -> PagedMap[K, V]:
        other: PagedMap[K, V] = object.__new__(PagedMap)
        other._form, other.kept, other.recent, other._size = self._form, kept, recent, size
        return other


def _form(key: type[Any], value: type[Any]) -> TypeAdapter[Any]:
    """Metrics may be NaN."""
    return TypeAdapter(dict[key, value], config=ConfigDict(ser_json_inf_nan="strings", defer_build=True))  # type: ignore[valid-type]


@lru_cache(AT_HAND)
def _entries(page: Block) -> dict[Any, Any]:
    entries: dict[Any, Any] = page.form.validate_json(zlib.decompress(page.raw))
    return entries


def _page(key: int | str) -> int:
    return key // NUMBERS if isinstance(key, int) else zlib.crc32(key.encode()) % TEXTS
