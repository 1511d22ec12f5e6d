"""Record batches that no client of ours would build."""

from __future__ import annotations

import struct

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import RecordMetadata
from modelog.envelope import Header

STAND_IN = "stand-in"
CRC, COVERED = 17, 21
"""Where the batch format has its checksum, and where what it covers begins."""


async def send_with_header_name(
    servers: str, topic: str, key: bytes, value: bytes, headers: list[Header], name: bytes
) -> RecordMetadata:
    """Send one record to partition 0 with one more header, whose name may be any eight bytes."""
    assert len(name) == len(STAND_IN)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        batch = producer.create_batch()
        batch.append(key=key, value=value, timestamp=None, headers=[*headers, (STAND_IN, b"")])
        built = bytearray(batch._build()).replace(STAND_IN.encode(), name)
        struct.pack_into(">I", built, CRC, calc_crc32c(bytes(built[COVERED:])))
        batch._buffer = built
        return await (await producer.send_batch(batch, topic, partition=0))
