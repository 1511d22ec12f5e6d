"""Marks of older versions, in the topic `parked`: a record was sent again. Anybody may have written a mark."""

from __future__ import annotations

from shared.bus.originals import Originals, Record, originals
from shared.bus.parked_records import Place, digest_of
from shared.runtime.runtime import Runtime

INSERT = """
insert into log.parked_sent (topic, partition, "offset", service, digest) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
BEFORE_MS, AFTER_MS = 120_000, 60_000
"""A record was sent again just before its mark was; the clocks of clients differ."""
MAX_RECORDS = 10_000
"""Of each partition, to be compared with the original."""


async def honour(runtime: Runtime, mark: Record, place: Place) -> bool:
    """Remember that the record at `place` was sent again, if a copy of it was, when the mark was made."""
    async with originals(runtime.settings.kafka_servers) as kafka:
        original = await kafka.read(place.topic_partition, place.offset)
        if original is None or not await _has_copy(kafka, original, mark.timestamp):
            return False
        digest = digest_of(original.key, original.value, original.headers)
    await runtime.pool.execute(INSERT, place.topic, place.partition, place.offset, place.service, digest)
    return True


async def _has_copy(kafka: Originals, original: Record, marked_ms: int) -> bool:
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
