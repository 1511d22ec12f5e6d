"""How much memory a batch of records may take, found before it does: a megabyte can unpack to a gigabyte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBase
from aiokafka.record.util import decode_varint

try:
    import cramjam
except ImportError:
    cramjam = None  # type: ignore[assignment]

MAX_UNPACKED_BYTES = 16 * 1024 * 1024
"""Of a batch. A fact has 4 MiB at most, a topic of modelog takes records of 6 MiB, and the batches of Kafka's clients
have 16 KiB to 1 MiB before they are compressed."""
MAX_RECORDS = 100_000
"""Of a compressed batch: it fills 16 MiB with events of 170 bytes, which is less than their headers have."""
MAX_HEADERS = 100_000
"""Of a record. A header of two bytes takes 64 bytes of memory."""
MAX_VARINT_BYTES = 10
STEP_BYTES = 4096
"""Of a gzip batch that are unpacked at a time: up to 1,032 times as many bytes come out."""
XERIAL = b"\x82SNAPPY\0\0\0\0\1\0\0\0\1"
"""What snappy-java begins with; blocks follow, each after its length."""

ERRORS = (EOFError, struct.error, zlib.error) + (() if cramjam is None else (cramjam.DecompressionError,))
"""Of bytes that are not what the header of their batch promises."""
HEADER = DefaultRecordBase.HEADER_STRUCT
LENGTH, ATTRIBUTES, COUNT = 1, 5, 12
"""Where they are among the fields of the header."""


class CannotRead(Exception):
    """A batch that takes more memory than a bound, or cannot be unpacked at all."""


class CannotUnpack(CannotRead):
    """A batch that unpacks to more than the bound, or not at all."""

    def __init__(self, found: object) -> None:
        super().__init__(
            f"expected at most {MAX_UNPACKED_BYTES} bytes and {MAX_RECORDS} records in a compressed batch, "
            f"found {found}: send smaller batches"
        )


def unpacked(batch: memoryview) -> bytes:
    """The batch without its compression; raise CannotUnpack, or UnsupportedCodecError if a library is missing."""
    fields = list(HEADER.unpack_from(batch))
    if fields[COUNT] > MAX_RECORDS:
        raise CannotUnpack(f"{fields[COUNT]} records")
    codec = fields[ATTRIBUTES] & DefaultRecordBase.CODEC_MASK
    if codec not in CODECS or (cramjam is None and codec != DefaultRecordBase.CODEC_GZIP):
        raise UnsupportedCodecError(
            f"expected a compression that can be unpacked here, found codec {codec}: "
            "pip install 'aiokafka[lz4,snappy,zstd]'"
        )
    try:
        records = CODECS[codec](batch[HEADER.size :])
    except ERRORS as error:
        raise CannotUnpack("more" if "failed to write whole buffer" in str(error) else error) from None
    fields[LENGTH] += len(records) + HEADER.size - len(batch)
    fields[ATTRIBUTES] &= ~DefaultRecordBase.CODEC_MASK
    return b"".join((HEADER.pack(*fields), records))


def check_headers(batch: memoryview) -> None:
    """Raise CannotRead if a record of a batch without compression has more headers than MAX_HEADERS."""
    with suppress(ValueError):  # no number: aiokafka's reader raises what is wrong with the record
        _check_headers(batch)


def _check_headers(batch: memoryview) -> None:
    at = HEADER.size
    while at + MAX_VARINT_BYTES < len(batch):  # decode_varint reads what is after the end
        length, at = decode_varint(batch, at)
        if length <= 0:
            return
        if length > 2 * MAX_HEADERS and (count := _header_count(batch[at : at + length])) > MAX_HEADERS:
            raise CannotRead(f"expected at most {MAX_HEADERS} headers in a record, found {count}: send fewer")
        at += length


def _header_count(record: memoryview) -> int:
    """The last of five numbers: time, offset, length of the key, length of the value, number of headers."""
    number, at = 0, 1
    for is_length in (False, False, True, True, False):
        if at + MAX_VARINT_BYTES > len(record):
            return 0
        number, at = decode_varint(record, at)
        at += max(number, 0) if is_length else 0
    return number


def _gzip(packed: memoryview) -> bytearray:
    found, member = bytearray(), zlib.decompressobj(zlib.MAX_WBITS | 16)
    for begin in range(0, len(packed), STEP_BYTES):
        step: bytes | memoryview = packed[begin : begin + STEP_BYTES]
        while step:
            if member.eof:
                member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            found += member.decompress(step, MAX_UNPACKED_BYTES + 1 - len(found))
            if len(found) > MAX_UNPACKED_BYTES:
                raise CannotUnpack("more")
            step = member.unused_data
    if not member.eof:
        raise EOFError("gzip that ends too early")
    return found


def _snappy(packed: memoryview) -> bytearray:
    if bytes(packed[: len(XERIAL)]) != XERIAL:
        return _snappy_blocks([packed])
    blocks, begin = [], len(XERIAL)
    while begin < len(packed):
        (length,) = struct.unpack_from(">I", packed, begin)
        blocks.append(packed[begin + 4 : begin + 4 + length])
        begin += 4 + length
    return _snappy_blocks(blocks)


def _snappy_blocks(blocks: list[memoryview]) -> bytearray:
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > MAX_UNPACKED_BYTES:
        raise CannotUnpack("more")
    return bytearray().join(cramjam.snappy.decompress_raw(block) for block in blocks)


def _lz4(packed: memoryview) -> memoryview:
    found = bytearray(MAX_UNPACKED_BYTES)  # pages that are not written take no memory
    return memoryview(found)[: cramjam.lz4.decompress_into(packed, found)]


def _zstd(packed: memoryview) -> memoryview:
    found = bytearray(MAX_UNPACKED_BYTES)
    return memoryview(found)[: cramjam.zstd.decompress_into(packed, found)]


CODECS: dict[int, Callable[[memoryview], bytearray | memoryview]] = {
    DefaultRecordBase.CODEC_GZIP: _gzip,
    DefaultRecordBase.CODEC_SNAPPY: _snappy,
    DefaultRecordBase.CODEC_LZ4: _lz4,
    DefaultRecordBase.CODEC_ZSTD: _zstd,
}
