"""Taking records off the wire: a consumer that loses none of them, whatever stands in one.

Once this is imported, every aiokafka consumer of the process reads headers whatever they are called, where it would
have died of one before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.errors import ConsumerStoppedError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

OVERHEAD = struct.Struct(">qi")
"""Before each batch: its first offset, and the length of what follows."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is not typed
    """Stops for good at the first batch that it cannot read.

    What was taken from other partitions in the same call is gone by then, and the next commit would pass over it.
    """

    broken: Exception | None = None

    async def getmany(self, *partitions: Any, **how: Any) -> Any:
        try:
            if self.broken is None:
                return await super().getmany(*partitions, **how)
        except ConsumerStoppedError:
            raise
        except Exception as error:
            self.broken = error
        raise ConsumerStoppedError from self.broken


class Name(bytearray):
    """A header's name; Kafka lets in any bytes, aiokafka's reader dies of what is not UTF-8."""

    def decode(self, *_: str) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")


class Names(bytearray):
    """Records whose slices are names. Keys and values become bytes before anybody looks at them."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return Name(found) if isinstance(at, slice) else found


class Lenient(_DefaultRecordBatchPy):  # type: ignore[misc]  # final, and the only place where names are decoded
    """A batch read by aiokafka's slow reader, with any names."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = Names(self._buffer)


class Batch:
    """A batch read by the fast reader, and by the lenient one where that fails."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self.batch, self.data = batch, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self.batch))
        except UnicodeDecodeError:
            return iter(list(Lenient(self.data)))


class Batches:
    """In place of aiokafka's MemoryRecords: the batches of one answer to a fetch."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = memoryview(data), 0
        self.records = MemoryRecords(data)

    def size_in_bytes(self) -> int:
        return int(self.records.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self.records.has_next())

    def next_batch(self) -> Batch:
        begin = self.at
        _, length = OVERHEAD.unpack_from(self.data, begin)
        self.at = begin + OVERHEAD.size + length
        return Batch(self.records.next_batch(), self.data[begin : self.at])


fetcher.MemoryRecords = Batches
