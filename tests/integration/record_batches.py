"""Record batches that no client library builds."""

from __future__ import annotations

import struct

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import RecordMetadata
from modelog.envelope import Header

PLACEHOLDER = "eightcha"
CRC, COVERED = 17, 21
"""Offsets in the batch format: of the checksum, and of the first byte that it covers."""


async def send_with_header_name(
    servers: str, topic: str, key: bytes, value: bytes, headers: list[Header], name: bytes
) -> RecordMetadata:
    """Send a record to partition 0 with an additional header, whose name may be any eight bytes."""
    assert len(name) == len(PLACEHOLDER)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        batch = producer.create_batch()
        batch.append(key=key, value=value, timestamp=None, headers=[*headers, (PLACEHOLDER, b"")])
        built = bytearray(batch._build()).replace(PLACEHOLDER.encode(), name)
        struct.pack_into(">I", built, CRC, calc_crc32c(bytes(built[COVERED:])))
        batch._buffer = built
        return await (await producer.send_batch(batch, topic, partition=0))
