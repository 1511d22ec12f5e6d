"""The blobs of the store: read and compared with what a report promises. All calls block."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from modelog.manifest import blob_key
from modelog.store import CHUNK_BYTES, Absent, Denied, Store
from modelog.values import File

from services.ingestion.pinned import HEAD_BYTES, ReadFile, Refused
from shared.domain.sentences import shown

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

WORKING_SHARE = 0.4
"""Of its time, that a thread reads and computes digests; in the rest others have the processors. Without pauses, the
p99 of other models on 2 cores is 4 times theirs alone; with them about twice, and a file takes 1.3 times as long."""


class Stopped(Exception):
    """Nobody waits for these bytes any more."""


def chunks(response: BaseHTTPResponse, stopped: Callable[[], bool]) -> Iterator[bytes]:
    """The bytes of an object, with a pause after each chunk but the last; raise Stopped between two chunks."""
    began = time.perf_counter()
    for number, chunk in enumerate(response.stream(CHUNK_BYTES, decode_content=False)):
        if stopped():
            raise Stopped
        if number:
            time.sleep((time.perf_counter() - began) * (1 / WORKING_SHARE - 1))
        began = time.perf_counter()
        yield chunk


def read_blob(store: Store, file: File, stopped: Callable[[], bool]) -> ReadFile:
    """Read every byte of a file; raise Refused if there is no blob, or if it has another size or digest."""
    key, sha256, size, head = blob_key(file.sha256), hashlib.sha256(), 0, b""
    try:
        with store.reading(key) as response:
            etag = response.headers.get("ETag", "").strip('"')
            size = int(response.headers.get("Content-Length", file.size))
            if size == file.size:
                size = 0
                for chunk in chunks(response, stopped):
                    sha256.update(chunk)
                    size += len(chunk)
                    head += chunk[: HEAD_BYTES - len(head)]
    except Absent:
        raise Refused(
            "missing object",
            f"expected {shown(file.path)} at {key}, found no object there: upload it, then send it again",
        ) from None
    except Denied as error:
        raise Refused("missing object", f"expected to read {shown(file.path)}: {error}") from error
    if size != file.size:
        raise Refused(
            "size differs",
            f"expected {shown(file.path)} with {file.size} bytes, found {size} at {key}: upload it again",
        )
    if sha256.hexdigest() != file.sha256:
        raise Refused(
            "digest differs",
            f"expected {shown(file.path)} with sha256 {file.sha256}, found bytes with {sha256.hexdigest()} "
            "in its place: upload it again",
        )
    return ReadFile(file, head, etag)


def is_same_blob(store: Store, known: ReadFile) -> bool:
    """Whether the ETag of a blob is the ETag that it had when it was read."""
    try:
        return bool(known.etag) and store.head(blob_key(known.file.sha256)) == (known.file.size, known.etag)
    except (Absent, Denied):
        return False
