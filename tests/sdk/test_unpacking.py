"""Compressed batches are unpacked within a bound, on the way from a real broker."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st
from modelog import PromotionRequested, Registry
from modelog._kafka.unpacking import (
    MAX_HEADERS,
    MAX_RECORDS,
    MAX_UNPACKED_BYTES,
    CannotRead,
    CannotUnpack,
    check_headers,
    unpacked,
)
from modelog.envelope import encode

from tests.sdk.reading import requested, versions

MIB = 1024 * 1024
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
BOMB_BYTES = {"gzip": 200 * MIB, "snappy": 18 * MIB, "lz4": 200 * MIB, "zstd": 200 * MIB}
"""Of spaces, which are less than a megabyte when they are compressed."""
TOO_MUCH = f"expected at most {MAX_UNPACKED_BYTES} bytes and {MAX_RECORDS} records in a compressed batch, found "
MAX_GROWTH_BYTES = 120 * MIB
"""Of the memory of a reader: a batch, its copy for aiokafka's reader, its records and an answer of Kafka."""

READING = """
import asyncio, re, sys
from modelog import PromotionRequested, Registry
from modelog._kafka.consumer import Consumer

def peak_kb():  # a child's ru_maxrss begins at that of its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

async def main():
    servers, prefix = sys.argv[1:]
    async with Registry(servers, prefix=prefix) as registry:
        messages = registry.subscribe(PromotionRequested, group=None, until="now")
        before = peak_kb()
        print(sorted([message.event.version async for message in messages]), messages.skipped)
    topic = prefix + "promotion.requested"
    async with Consumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        ends, count = await consumer.end_offsets(consumer.assignment()), 0
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            count += sum(map(len, (await consumer.getmany(timeout_ms=1000, max_records=1000)).values()))
    print(count, (peak_kb() - before) * 1024)

asyncio.run(main())
"""


def built(codec: int, *values: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 31)
    for number, value in enumerate(values):
        builder.append(number, None, b"fraud", value, [("h", value)])
    return bytes(builder.build())


def read(batch: bytes) -> list[tuple[Any, ...]]:
    return [(r.offset, r.timestamp_type, r.key, r.value, r.headers) for r in DefaultRecordBatch(batch)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_within_the_bound_is_unpacked_to_its_records(codec: str) -> None:
    batch = built(CODECS[codec], *(b"v" * size for size in (0, 1, 70_000)))
    assert read(unpacked(memoryview(batch))) == read(batch)


@pytest.mark.parametrize("codec", CODECS)
def test_the_largest_batch_is_unpacked_and_a_byte_more_is_not(codec: str) -> None:
    overhead = len(built(0, b" " * MIB * 15)) - len(built(0)) - 15 * MIB * 2
    largest = b" " * ((MAX_UNPACKED_BYTES - overhead) // 2)
    assert len(read(unpacked(memoryview(built(CODECS[codec], largest))))) == 1
    with pytest.raises(CannotUnpack, match=f"{TOO_MUCH}more: send smaller batches"):
        unpacked(memoryview(built(CODECS[codec], largest + b" ")))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("broken", [lambda batch: batch[:-6], lambda batch: batch[:61], lambda batch: batch[:61] * 2])
def test_bytes_that_are_no_batch_cannot_be_unpacked(codec: str, broken: Any) -> None:
    with pytest.raises(CannotUnpack, match=TOO_MUCH):
        unpacked(memoryview(broken(built(CODECS[codec], b"v" * 100))))


def test_more_records_than_any_batch_of_events_has_are_not_unpacked() -> None:
    with pytest.raises(CannotUnpack, match=f"{TOO_MUCH}{MAX_RECORDS + 1} records"):
        unpacked(memoryview(built(CODECS["gzip"], *[b""] * (MAX_RECORDS + 1))))


def with_headers(*counts: int) -> memoryview:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 31)
    for number, count in enumerate(counts):
        builder.append(number, None, b"fraud", None if number else b"v" * 300_000, [("", None)] * count)
    return memoryview(bytes(builder.build()))


def test_a_record_has_at_most_100000_headers() -> None:
    check_headers(with_headers(MAX_HEADERS, 7, MAX_HEADERS))
    for counts in [(MAX_HEADERS + 1,), (0, MAX_HEADERS + 1), (7, MAX_HEADERS, MAX_HEADERS + 1, 9)]:
        with pytest.raises(CannotRead, match=f"at most {MAX_HEADERS} headers in a record, found {MAX_HEADERS + 1}"):
            check_headers(with_headers(*counts))


@given(st.binary(max_size=40), st.sampled_from([1, 100_000]))
def test_any_bytes_have_few_headers_or_many_and_nothing_else_is_raised(junk: bytes, times: int) -> None:
    header = built(0)
    with suppress(CannotRead):
        check_headers(memoryview(header + junk * times))


@pytest.mark.integration
@pytest.mark.parametrize("codec", CODECS)
async def test_a_bomb_is_skipped_counted_and_logged_and_what_is_beside_it_is_read(
    registry: Registry, env: dict[str, str], prefix: str, caplog: pytest.LogCaptureFixture, codec: str
) -> None:
    place = env["MODELOG_KAFKA_SERVERS"], f"{prefix}promotion.requested"
    await registry.publish(requested(1))
    offset = await send_packed(*place, codec, b" " * BOMB_BYTES[codec])
    await registry.publish(requested(2))
    messages = registry.subscribe(PromotionRequested, group=None, until="now")
    assert versions([message async for message in messages]) == [1, 2]
    assert messages.skipped == 1
    assert f"offset {offset} is skipped: {TOO_MUCH}more: send smaller batches" in caplog.text


async def send_packed(servers: str, topic: str, codec: str, *values: bytes) -> int:
    """Send records of one model in a single compressed batch, and return the last offset."""
    sizes: dict[str, Any] = {"max_request_size": 1 << 30, "max_batch_size": 1 << 30}
    async with AIOKafkaProducer(bootstrap_servers=servers, compression_type=codec, **sizes) as producer:
        await producer.partitions_for(topic)
        partition: int = producer._partition(topic, None, b"fraud", None, b"fraud", None)
        key, _, headers = encode(requested(3), source="/tests")
        batch = producer.create_batch()
        for value in values:
            assert batch.append(key=key, value=value, timestamp=None, headers=headers)
        sent = await (await producer.send_batch(batch, topic, partition=partition))
        return int(sent.offset) + len(values) - 1


@pytest.mark.integration
async def test_the_memory_of_a_reader_is_bounded_whatever_its_batches_unpack_to(
    registry: Registry, env: dict[str, str], prefix: str
) -> None:
    """A bomb, and as many batches just below the bound as there are in an answer of Kafka."""
    place = env["MODELOG_KAFKA_SERVERS"], f"{prefix}promotion.requested"
    await registry.publish(requested(1))
    await send_packed(*place, "gzip", b" " * BOMB_BYTES["gzip"])
    for _ in range(20):
        await send_packed(*place, "zstd", *[b" " * MIB] * 15)
    await registry.publish(requested(2))
    done = subprocess.run(  # noqa: ASYNC221, PLW1510
        [sys.executable, "-c", READING, env["MODELOG_KAFKA_SERVERS"], prefix], capture_output=True, text=True
    )
    found, growth = done.stdout.rsplit(maxsplit=1)
    assert found.split("\n") == [f"[1, 2] {1 + 20 * 15}", f"{2 + 1 + 20 * 15}"]
    assert int(growth) < MAX_GROWTH_BYTES
