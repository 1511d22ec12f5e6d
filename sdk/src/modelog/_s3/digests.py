"""Digests of bytes that are read in chunks: our sha256, and the ETag of S3."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

CHUNK_BYTES = 1024 * 1024
PART_BYTES = 16 * CHUNK_BYTES
"""A part of a multipart upload; four parts are in memory at a time."""
MAX_PARTS = 10_000
"""The most parts that S3 accepts; a file above 156 GiB gets larger parts."""


def hashed(data: BinaryIO, digest: hashlib._Hash, size: int | None = None) -> hashlib._Hash:
    """Feed the next `size` bytes, or all that are left, to `digest`."""
    left = size
    while chunk := data.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
        digest.update(chunk)
        left = None if left is None else left - len(chunk)
    return digest


def part_bytes(size: int) -> int:
    """The bytes of each part, when `size` bytes are uploaded."""
    return max(PART_BYTES, -(-size // MAX_PARTS))


def etag(data: BinaryIO, size: int, in_parts: bool) -> str:
    """The ETag that S3 gives these bytes: their md5; for several parts the md5 of the parts' md5s, and their number."""
    data.seek(0)
    if not in_parts:
        return hashed(data, hashlib.md5(usedforsecurity=False)).hexdigest()
    part = part_bytes(size)
    parts = [hashed(data, hashlib.md5(usedforsecurity=False), part) for _ in range(0, size, part)]
    joined = b"".join(part.digest() for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
