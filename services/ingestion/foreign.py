"""Bytes outside the store: an `s3://` address in a report is listed and copied, or refused. All calls block."""

from __future__ import annotations

import errno
import hashlib
import posixpath
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile, gettempdir
from typing import BinaryIO, cast

from modelog.manifest import blob_key, manifest_key
from modelog.store import CHUNK_BYTES, Absent, Denied, Store
from modelog.values import File

from services.ingestion import limits
from services.ingestion.blobs import chunks
from services.ingestion.pinned import HEAD_BYTES, ReadFile, Refused
from shared.domain.sentences import shown

SPOOL_BYTES = 8 * CHUNK_BYTES
"""The bytes of an object that are kept in memory before it is spooled to disk."""
MAX_KEY_BYTES = 1024
"""The most bytes that S3 takes for a key."""
OWN_FOLDERS = ("blobs", "manifests")
"""The folders of our own bucket that hold every model's bytes."""


@dataclass(frozen=True)
class Object:
    """An object as the store lists it: its size in bytes, and the ETag that changes with its bytes."""

    bucket: str
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Foreign:
    """Finds and copies what an address names; `readable` are the buckets to read besides our own, None is any."""

    def __init__(self, store: Store, readable: Collection[str] | None) -> None:
        self._store = store
        self._readable = readable

    def found(self, uri: str) -> tuple[File, ...] | dict[str, Object]:
        """The files of one of our own manifests, or path to object of a folder; raise Refused where there are none."""
        own = f"s3://{self._store.bucket}/manifests/sha256/"
        if uri.startswith(own):
            return self._own(uri, uri.removeprefix(own))
        bucket, prefix = _address(uri)
        self._permit(uri, bucket, prefix)
        return self._listed(uri, bucket, prefix)

    def _own(self, uri: str, sha256: str) -> tuple[File, ...]:
        try:
            size, _ = self._store.head(manifest_key(f"sha256:{sha256}"))
            if size > limits.MAX_MANIFEST_BYTES:
                raise limits.too_many(f"{shown(uri)}, a manifest", size)
            return self._store.files(f"sha256:{sha256}")
        except Absent:
            raise Refused(
                "missing object", f"expected a manifest at {shown(uri)}, found none: upload the files"
            ) from None
        except Denied as error:
            raise Refused("missing object", str(error)) from None
        except ValueError as error:
            raise Refused("digest differs", str(error)) from None

    def _permit(self, uri: str, bucket: str, prefix: str) -> None:
        if bucket != self._store.bucket:
            if self._readable is not None and bucket not in self._readable:
                raise Refused(
                    "foreign prefix unreadable",
                    f"expected one of the buckets that MODELOG_FOREIGN_BUCKETS names, found {shown(bucket)}: copy the "
                    "files to one of them, or upload them with the SDK",
                )
        # Normalized first: some stores find blobs/ under x/../blobs/ too.
        elif (first := posixpath.normpath(prefix.strip("/")).partition("/")[0]) in (*OWN_FOLDERS, ".", ".."):
            raise Refused(
                "foreign prefix unreadable",
                f"expected a folder or a manifest, found {shown(uri)}, where modelog keeps "
                f"{'the bytes of every model' if first in OWN_FOLDERS else 'all objects'}: name one manifest, or files",
            )

    def _listed(self, uri: str, bucket: str, prefix: str) -> dict[str, Object]:
        """Path inside the artifact to object: a folder's objects or, if there are none, the object of that name."""
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        objects, length, total = dict[str, Object](), 0, 0
        with self._asking(uri):
            with self._store.asking(f"list {shown(uri)}", denies=True):
                for found in self._store.client.list_objects(bucket, prefix=folder, recursive=True):
                    key, size = found.object_name or "", found.size or 0
                    path = key.removeprefix(folder)
                    length, total = length + limits.manifest_bytes([path]), total + size
                    if not key.endswith("/"):  # the marker of a folder
                        objects[path] = Object(bucket, key, size, (found.etag or "").strip('"'))
                    if length > limits.MAX_MANIFEST_BYTES:
                        raise _too_many(uri, f"more than {max(len(objects) - 1, 0)}")
                    if size > limits.MAX_COPY_BYTES or total > limits.MAX_ARTIFACT_BYTES:
                        raise _too_large(f"s3://{bucket}/{key}")
            if not objects and prefix and not prefix.endswith("/"):
                with suppress(Absent):
                    objects[prefix.rpartition("/")[2]] = Object(bucket, prefix, *self._store.head(prefix, bucket))
        if not objects:
            raise Refused("no files", f"expected files below {shown(uri)}, found none: upload them first")
        return objects

    def copy(self, source: Object, path: str, stopped: Callable[[], bool]) -> tuple[ReadFile, str]:
        """Copy an object into the store; returns the file with the ETag of its blob, and the ETag of the object."""
        sha256, head = hashlib.sha256(), b""
        with SpooledTemporaryFile(SPOOL_BYTES) as spool:
            with self._asking(source.uri), self._store.reading(source.key, source.bucket) as response:
                size = int(response.headers.get("Content-Length", 0))
                etag = response.headers.get("ETag", "").strip('"')
                if size > limits.MAX_COPY_BYTES:
                    raise _too_large(source.uri)
                if size > SPOOL_BYTES:
                    _check_disk(source.uri, size)
                for chunk in chunks(response, stopped):
                    sha256.update(chunk)
                    head += chunk[: HEAD_BYTES - len(head)]
                    spool.write(chunk)
                spool.flush()
            size = spool.tell()
            kept = self._store.keep(blob_key(sha256.hexdigest()), cast(BinaryIO, spool), size)
        return ReadFile(File(path=path, size=size, sha256=sha256.hexdigest()), head, kept), etag

    @contextmanager
    def _asking(self, uri: str) -> Iterator[None]:
        """Refuse an address that cannot be read. Other errors of the store are raised, to be tried again."""
        try:
            yield
        except Absent:
            raise Refused("missing object", f"expected an object at {shown(uri)}, found it gone: send again") from None
        except Denied as error:
            raise _unreadable(uri, error.code or f"status {error.status}") from error
        except ValueError as error:
            raise _unreadable(uri, str(error)) from error


def _address(uri: str) -> tuple[str, str]:
    """Bucket and prefix. Not a URL's parts: a key may contain ? and #."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise _unreadable(uri, "another kind of address")
    if len(prefix.encode("utf-8", "replace")) > MAX_KEY_BYTES:
        raise _unreadable(uri, f"whose key is above {MAX_KEY_BYTES} bytes")
    return bucket, prefix


def _unreadable(uri: str, found: str) -> Refused:
    return Refused(
        "foreign prefix unreadable",
        f"expected s3://bucket/folder that modelog may read, found {shown(uri)} ({found[:200]}): copy the files there",
    )


def _too_many(uri: str, found: str) -> Refused:
    return Refused(
        "foreign prefix unreadable",
        f"expected the files of one model below {shown(uri)}, found {found}, which do not fit into a message: "
        "name a smaller folder, or pack them into one file",
    )


def _too_large(uri: str) -> Refused:
    return Refused(
        "too large",
        f"expected an object of at most {limits.MAX_COPY_BYTES} bytes, and {limits.MAX_ARTIFACT_BYTES} in all, found "
        f"more with {shown(uri)}: upload the files with the SDK, which copies nothing",
    )


def _check_disk(uri: str, size: int) -> None:
    """Refuse what our disk can never hold. Raise OSError where it cannot now, to be tried again: the disk is ours."""
    folder = gettempdir()
    disk = shutil.disk_usage(folder)
    if size > disk.total:
        raise Refused(
            "foreign prefix unreadable",
            f"expected to copy {shown(uri)}, found a disk of {disk.total} bytes for its {size}: upload it with the "
            "SDK, or give the service a larger folder for temporary files (TMPDIR)",
        )
    if size > disk.free:
        raise OSError(
            errno.ENOSPC,
            f"expected {size} bytes free in {folder} to copy {shown(uri)}, found {disk.free}: free space there, or "
            "give the service a larger folder for temporary files (TMPDIR)",
        )
