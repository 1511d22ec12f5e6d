"""A persistent mapping whose old entries are in compressed blocks, each read when one of its keys is needed."""

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
Groups = tuple[tuple[int, dict[Any, Any]], ...]
"""Entries by the number of the block that they belong to."""

INTS_IN_BLOCK = 64
"""Neighbouring numbers are in one block: versions grow at one end, so few blocks change between two snapshots."""
STR_BLOCKS = 64
"""The blocks of keys that are texts."""
MIN_RECENT = 32
"""Entries that stay uncompressed, or a sixteenth of all: compressing again then costs 10 µs for each version."""
SEALED_BYTES = 64 * 1024
"""At about so many compressed bytes a `set` leaves further blocks to the next: that takes 10 ms, and all blocks of a
large mapping a second."""
RECENT_ENTRY_BYTES = 1_000
"""The estimated memory of an uncompressed entry."""
CACHED_BLOCKS = 256
"""Blocks of all mappings that are kept decompressed."""


class Block:
    """Some entries as compressed JSON."""

    def __init__(self, adapter: TypeAdapter[Any], raw: bytes) -> None:
        self.adapter = adapter
        self.raw = raw


class PagedMap(Generic[K, V]):
    """Integers or texts to values; `set` returns another mapping and leaves this one as it is. No key is removed.

    50,000 versions take a tenth of the memory of their objects, and can be asked as soon as their bytes are here, where
    a dictionary takes a fifth of a second to build (figures: docs/performance.md).
    """

    __slots__ = ("_adapter", "_block_bytes", "_size", "_unsealed", "blocks", "nbytes", "recent")

    blocks: Mapping[int, Block]
    recent: Map[K, V]
    nbytes: int
    """About how many bytes of memory it takes."""

    def __init__(self, key: type[K], value: type[V]) -> None:
        self._adapter, self.blocks, self.recent = _adapter(key, value), {}, Map()
        self._size = self._block_bytes = self.nbytes = 0
        self._unsealed: Groups = ()

    def set(self, key: K, value: V) -> PagedMap[K, V]:
        """The same with this value under the key."""
        size = self._size + (key not in self)
        after = self._with(self.blocks, self.recent.set(key, value), size, self._block_bytes)
        after._unsealed = self._unsealed
        if not after._unsealed and len(after.recent) >= max(MIN_RECENT, size // 16):
            after._unsealed = _grouped(after.recent)
        return after._sealed(after._unsealed, SEALED_BYTES) if after._unsealed else after

    def get(self, key: K) -> V | None:
        """The value under the key, None if there is none."""
        if key in self.recent:
            return self.recent[key]
        block = self.blocks.get(_block(key))
        return None if block is None else _entries(block).get(key)

    def __getitem__(self, key: K) -> V:
        value: V = self.recent[key] if key in self.recent else _entries(self.blocks[_block(key)])[key]
        return value

    def __contains__(self, key: K) -> bool:
        if key in self.recent or not self.blocks:
            return key in self.recent
        block = self.blocks.get(_block(key))
        return block is not None and key in _entries(block)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        yield from (key for block in self.blocks.values() for key in _entries(block) if key not in self.recent)
        yield from self.recent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PagedMap) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        return hash(frozenset(self))

    def items(self) -> Iterator[tuple[K, V]]:
        """Every key with its value."""
        return ((key, self[key]) for key in self)

    def sealed(self) -> PagedMap[K, V]:
        """The same with every entry in blocks; only blocks with new entries are compressed again."""
        return self._sealed(_grouped(self.recent), None)

    def _sealed(self, groups: Groups, max_bytes: int | None) -> PagedMap[K, V]:
        """The same with the entries of these blocks in them, or of as many as make so many bytes."""
        blocks, block_bytes, written, done = dict(self.blocks), self._block_bytes, 0, 0
        with self.recent.mutate() as recent:
            for number, entries in groups:
                before = _entries(blocks[number]) if number in blocks else {}
                block_bytes -= len(blocks[number].raw) if number in blocks else 0
                blocks[number] = Block(self._adapter, zlib.compress(self._adapter.dump_json(before | entries), level=1))
                block_bytes += len(blocks[number].raw)
                # An entry that was set again meanwhile stays recent, and hides the entry in the block.
                for key in [key for key, value in entries.items() if recent[key] is value]:
                    del recent[key]
                written, done = written + len(blocks[number].raw), done + 1
                if max_bytes is not None and written >= max_bytes:
                    break
            after = self._with(blocks, recent.finish(), self._size, block_bytes)
        after._unsealed = groups[done:]
        return after

    def opened(self, blocks: Mapping[int, bytes], size: int) -> PagedMap[K, V]:
        """A mapping of `size` entries in these blocks, as they were stored."""
        opened = {number: Block(self._adapter, raw) for number, raw in blocks.items()}
        return self._with(opened, Map(), size, sum(map(len, blocks.values())))

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a block's entries."""
        return self._adapter.json_schema()

    def _with(self, blocks: Mapping[int, Block], recent: Map[K, V], size: int, block_bytes: int) -> PagedMap[K, V]:
        other: PagedMap[K, V] = object.__new__(PagedMap)
        other._adapter, other.blocks, other.recent = self._adapter, blocks, recent
        other._size, other._block_bytes, other._unsealed = size, block_bytes, ()
        other.nbytes = block_bytes + RECENT_ENTRY_BYTES * len(recent)
        return other


def _adapter(key: type[Any], value: type[Any]) -> TypeAdapter[Any]:
    """Metrics may be NaN."""
    return TypeAdapter(dict[key, value], config=ConfigDict(ser_json_inf_nan="strings", defer_build=True))  # type: ignore[valid-type]


@lru_cache(CACHED_BLOCKS)
def _entries(block: Block) -> dict[Any, Any]:
    entries: dict[Any, Any] = block.adapter.validate_json(zlib.decompress(block.raw))
    return entries


def _grouped(recent: Map[Any, Any]) -> Groups:
    added: defaultdict[int, dict[Any, Any]] = defaultdict(dict)
    for key, value in recent.items():
        added[_block(key)][key] = value
    return tuple(added.items())


def _block(key: int | str) -> int:
    return key // INTS_IN_BLOCK if isinstance(key, int) else zlib.crc32(key.encode()) % STR_BLOCKS
