"""The format of a model file, found from its first bytes. Nothing is unpickled."""

from __future__ import annotations

import bz2
import lzma
import pickletools
import zlib
from collections.abc import Iterator, Mapping
from typing import Protocol

MAX_DECOMPRESSED_BYTES = 4096
"""The most bytes that are decompressed of a head."""
MAX_LZMA_MEMORY_BYTES = 128 * 1024 * 1024
"""The most memory in bytes that an lzma head may ask for."""
MAX_SAFETENSORS_HEADER_BYTES = 100_000_000
"""The most bytes that safetensors allows its header."""
OPCODES = {opcode.code for opcode in pickletools.opcodes}
TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
HDF5 = b"\x89HDF\r\n\x1a\n"


def format_of(heads: Mapping[str, bytes]) -> str:
    """The format of the first file, in the order of paths, whose first 512 bytes show it; else `unknown`.

    - `safetensors`: https://github.com/huggingface/safetensors#format
    - `onnx`: a ModelProto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
    - `h5`: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html (superblock at 0)
    - `pt`: what `torch.save` writes, the zip whose first entry is `…/data.pkl` and the older pickles with their number
    - `joblib`: a pickle that names joblib's arrays in its head, or a compressed pickle, or any pickle in
      `*.joblib`: joblib's file of an object without arrays is a plain pickle
    - `pickle`: protocols 2 to 5. Protocols 0 and 1 begin with nothing of their own and are `unknown`, so `unknown` is
      no promise that a file is safe to load.
    """
    return next((found for path in sorted(heads) if (found := _format(path, heads[path]))), "unknown")


def _format(path: str, head: bytes) -> str | None:
    if head.startswith(HDF5):
        return "h5"
    if head.startswith(b"PK\x03\x04"):
        return "pt" if _first_entry(head).endswith(b"/data.pkl") else None
    if _pickle(head):
        if head.startswith(TORCH, 2):
            return "pt"
        return "joblib" if path.endswith(".joblib") or b"joblib.numpy_pickle" in head else "pickle"
    if _safetensors(head):
        return "safetensors"
    if _onnx(head):
        return "onnx"
    return "joblib" if _compressed_pickle(path, head) else None


def _first_entry(head: bytes) -> bytes:
    """The name in a zip's first local file header."""
    return head[30 : 30 + int.from_bytes(head[26:28], "little")]


def _pickle(head: bytes) -> bool:
    """Whether this is PROTO, 2 to 5, and another opcode."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5 and chr(head[2]) in OPCODES


def _safetensors(head: bytes) -> bool:
    """Whether this is the length of a JSON object, eight bytes little-endian, and its beginning."""
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= MAX_SAFETENSORS_HEADER_BYTES and head[8:10] in (b'{"', b"{}")


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _compressed_pickle(path: str, head: bytes) -> bool:
    """Whether zlib, gzip, bz2, lzma or xz decompress to a pickle.

    A bz2 head that is too short to decompress counts as joblib by its name, `*.joblib`.
    """
    opened: _Decompressor
    if head.startswith(b"\x1f\x8b") or (head[:1] == b"\x78" and int.from_bytes(head[:2], "big") % 31 == 0):
        opened = zlib.decompressobj(zlib.MAX_WBITS | 32)
    elif head.startswith(b"BZh"):
        opened = bz2.BZ2Decompressor()
    elif head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00")):
        opened = lzma.LZMADecompressor(memlimit=MAX_LZMA_MEMORY_BYTES)
    else:
        return False
    try:
        plain = opened.decompress(head, MAX_DECOMPRESSED_BYTES)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False
    return _pickle(plain) or (not plain and head.startswith(b"BZh") and path.endswith(".joblib"))


def _onnx(head: bytes) -> bool:
    """Whether this is a ModelProto: ir_version, then fields 2 to 8 with short readable names, up to the graph.

    TensorFlow's SavedModel begins like it too, but has a message where ONNX has the producer's name.
    """
    fields = _fields(head)
    number, version = next(fields, (0, b""))
    if number != 1 or not isinstance(version, int) or not 1 <= version < 100:
        return False
    seen = 0
    for number, value in fields:
        if number in (7, 8) and isinstance(value, bytes):
            return True
        if number not in (2, 3, 4, 5, 6) or isinstance(value, int) != (number == 5):
            return False
        if isinstance(value, bytes) and not value.decode("utf-8", "ignore").replace("\n", "").isprintable():
            return False
        seen += 1
    return seen > 0


def _fields(head: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The protobuf fields of a head, as far as it goes: number and varint, or number and (the rest of) its bytes.

    Wire format: https://protobuf.dev/programming-guides/encoding/. Other wire types end it with field 0.
    """
    at = 0
    while at < len(head):
        key, at = _varint(head, at)
        value, at = _varint(head, at)
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2:
            yield key >> 3, head[at : at + value]
            at += value
        else:
            yield 0, 0


def _varint(head: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(head):
        byte = head[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return value, at
