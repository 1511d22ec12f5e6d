"""Reading records whatever bytes the names of their headers have, and however many bytes they unpack to.

aiokafka fails on a name that is not UTF-8, and unpacks a gigabyte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords

from modelog._kafka.unpacking import CannotRead, check_headers, unpacked
from modelog.untrusted import NotRead

OVERHEAD = struct.Struct(">qi")
"""Before each batch: its first offset, and the length of what follows."""
FORMAT, OLDEST_FORMAT = 16, 2
"""Where a batch has the number of its format, and the oldest that brokers take since Kafka 3.0."""


class LenientRecords:
    """The batches in one partition of a fetch's answer, with the methods of aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = memoryview(data), 0
        self.records = MemoryRecords(data)

    def size_in_bytes(self) -> int:
        return int(self.records.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self.records.has_next())

    def next_batch(self) -> Batch:
        begin = self.position
        _, length = OVERHEAD.unpack_from(self.data, begin)
        self.position = begin + OVERHEAD.size + length
        return Batch(self.records.next_batch(), self.data[begin : self.position])


class Batch:
    """A batch read by aiokafka's fast reader, and by a slow reader from a header on whose name is not UTF-8.

    Its records are read as they are asked for. A batch that would take too much memory, or cannot be unpacked, is a
    single record at its last offset, whose value is `NotRead`.
    """

    def __init__(self, batch: Any, data: memoryview) -> None:
        self.batch, self.data = batch, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batch, name)

    def __next__(self) -> Any:
        return next(self.batch)

    def __iter__(self) -> Iterator[Any]:
        batch, data, count = self.batch, self.data, 0
        if data[FORMAT] >= OLDEST_FORMAT:
            try:
                if batch.compression_type:
                    data = memoryview(unpacked(data))
                    batch = DefaultRecordBatch(data)
                check_headers(data)
            except CannotRead as reason:
                place = batch.next_offset - 1, batch.max_timestamp, batch.timestamp_type
                yield _DefaultRecordPy(*place, key=None, value=NotRead(str(reason)), headers=[])
                return
        try:
            for record in batch:
                yield record
                count += 1
        except UnicodeDecodeError:
            yield from islice(SlowBatch(data), count, None)


class SlowBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final, and the only place where names are decoded
    """A batch read by aiokafka's reader in Python, in which every slice decodes."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = Buffer(self._buffer)


class Buffer(bytearray):
    """Bytes whose slices are names. Keys and values are turned into bytes before they are used."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return HeaderName(found) if isinstance(at, slice) else found


class HeaderName(bytearray):
    """The name of a header; Kafka accepts any bytes there."""

    def decode(self, *_: str) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")
