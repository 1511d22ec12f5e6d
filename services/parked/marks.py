"""Marks of older versions, in the topic `parked`: a record was sent again. Anybody may have written a mark."""

from __future__ import annotations

from aiokafka import ConsumerRecord

from shared.bus.originals import Originals, Record, originals
from shared.bus.parked_records import Place, digest_of
from shared.runtime.runtime import Runtime

IS_LISTED = """
select exists (select from log.parked where (topic, partition, "offset", service) = ($1, $2, $3, $4))
   and not exists (select from log.parked_sent where (topic, partition, "offset", service) = ($1, $2, $3, $4))
"""
INSERT = """
insert into log.parked_sent (topic, partition, "offset", service, digest) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
BEFORE_MS, AFTER_MS = 120_000, 60_000
"""A record was sent again just before its mark was; the clocks of clients differ."""
MAX_RECORDS = 10_000
"""Of each partition, to be compared with the original."""
MAX_WAITING = 10_000
"""Marks that were read and not looked at; others are passed over, and what they mark stays in the list."""


class Marks:
    """Marks that wait until the topic is read to its end, for they may come before what they mark."""

    def __init__(self) -> None:
        self._waiting: dict[Place, int] = {}

    def add(self, place: Place, record: ConsumerRecord) -> None:
        """Look at this mark later."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting[place] = record.timestamp

    async def honour_next(self, runtime: Runtime) -> bool:
        """Look at a mark; return whether its record was sent again, which is remembered."""
        if not self._waiting:
            return False
        place, marked_ms = next(iter(self._waiting.items()))
        honoured = await _honour(runtime, place, marked_ms)
        del self._waiting[place]
        return honoured


async def _honour(runtime: Runtime, place: Place, marked_ms: int) -> bool:
    where = (place.topic, place.partition, place.offset, place.service)
    if not await runtime.pool.fetchval(IS_LISTED, *where):
        return False
    async with originals(runtime.settings) as kafka:
        original = await kafka.read(place.topic_partition, place.offset)
        if original is None or not await _has_copy(kafka, original, marked_ms):
            return False
    await runtime.pool.execute(INSERT, *where, digest_of(original.key, original.value, original.headers))
    return True


async def _has_copy(kafka: Originals, original: Record, marked_ms: int) -> bool:
    """Whether the record was sent again, at about this time."""
    digest = digest_of(original.key, original.value, original.headers)
    for at, offset in (await kafka.since(original.topic, max(0, marked_ms - BEFORE_MS))).items():
        begin = max(offset, original.offset + 1) if at.partition == original.partition else offset
        count = 0
        async for record in kafka.read_on(at, begin):
            count += 1
            if digest_of(record.key, record.value, record.headers) == digest:
                return True
            if record.timestamp > marked_ms + AFTER_MS or count == MAX_RECORDS:
                break
    return False
