"""The services' side of the artifact store: pin what was trained, say what is not as promised. Nothing is unpickled.

All requests run in threads of this module, so neither the event loop nor anybody else's threads wait for bytes.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import math
import posixpath
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, TypeVar, cast
from weakref import WeakValueDictionary

from modelog.artifacts import (
    CHUNK,
    CONNECTIONS,
    Absent,
    Store,
    Unavailable,
    blob_key,
    manifest,
    manifest_key,
    path_faults,
)
from modelog.envelope import LARGEST
from modelog.events import RegistrationRefusal
from modelog.values import Artifact, File

THREADS = CONNECTIONS // 2
AT_ONCE = 4
"""The files of one artifact that are read at a time, so that a large artifact leaves threads to the others."""
HEAD = 512
REMEMBERED = 10_000
SPOOL = 8 * CHUNK
"""The bytes of a foreign object that are held in memory before it is spooled to disk."""
LISTED = LARGEST * 3 // 4
"""The most bytes of a foreign folder's manifest: it is carried by model.registered, which has to fit into a message."""
FRESH = 30.0
"""Seconds for which an object that was found as promised is not asked for again: a hundred models may share it."""
SHOWN = 10
LONGEST_KEY = 1024
"""The most bytes that S3 takes for a key."""
MOVED, TIMED_OUT, TOO_MANY, NOT_IMPLEMENTED = 301, 408, 429, 501
OURS = ("blobs", "manifests")
"""The folders of our own bucket that hold every model's bytes."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Pinned:
    """An artifact whose bytes are in the store and were read: `size` in bytes, `heads` the first 512 of each file."""

    manifest: str
    uri: str
    size: int
    files: tuple[File, ...]
    heads: Mapping[str, bytes]


@dataclass(frozen=True)
class Unpinnable:
    """Why an artifact cannot be pinned, however often one tries."""

    reasons: tuple[RegistrationRefusal, ...]
    sentence: str


class Refused(Exception):
    """One thing that keeps an artifact from being pinned."""

    def __init__(self, reason: RegistrationRefusal, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True)
class Read:
    """A file whose bytes were read, and how they begin; `etag` names the bytes as long as nobody replaces them."""

    file: File
    head: bytes
    etag: str = ""


class Lately:
    """What was found as promised within the last `seconds`, the oldest first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, float] = {}

    def __contains__(self, what: str) -> bool:
        return self._seen.get(what, -math.inf) > time.monotonic() - self._seconds

    def add(self, what: str) -> None:
        self._seen.pop(what, None)
        self._seen[what] = time.monotonic()
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


class Artifacts:
    """The store for services. A store that fails raises `Unavailable`: the caller tries again.

    `foreign` names the other buckets whose objects may be copied in; None is every one that the store's keys can read.
    """

    def __init__(self, store: Store, fresh: float = FRESH, foreign: Collection[str] | None = None) -> None:
        self.store = store
        self._readable = foreign
        self._threads = ThreadPoolExecutor(THREADS, "artifacts")
        self._known: dict[str, Read] = {}
        self._lately = Lately(fresh)
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._copying = asyncio.Semaphore(AT_ONCE)  # of all artifacts: a copy holds up to 64 MiB and a spool on disk

    async def __aenter__(self) -> Artifacts:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the threads; what they read now they read to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def make_bucket(self) -> None:
        """Make the bucket if there is none."""
        await self._thread(self._make_bucket)

    async def pin(self, artifact: Artifact) -> Pinned | Unpinnable:
        """Read every byte of `artifact` once, copy in what is foreign, and put its manifest.

        A blob that this process has read, and whose ETag is still the same, is not read again; within `fresh`
        seconds not even the ETag is asked for.
        """
        try:
            found = await (self._checked(artifact.files) if artifact.uri is None else self._fetched(artifact.uri))
        except Refused as refused:
            found = [refused]
        if refusals := [outcome for outcome in found if isinstance(outcome, Refused)]:
            return _unpinnable(refusals)
        return await self._pinned([outcome for outcome in found if isinstance(outcome, Read)])

    async def faults(self, manifest: str, files: Sequence[File]) -> list[str]:
        """What is not as promised, in sentences: the manifest is read, and the size of each blob asked for.

        What was found as promised within the last `fresh` seconds is not asked for again.
        """

        async def fault(key: str, ask: Callable[..., str | None], *told: object) -> str | None:
            if key in self._lately:
                return None
            sentence = await self._thread(ask, *told)
            if sentence is None:
                self._lately.add(key)
            return sentence

        told = [await fault(manifest_key(manifest), self._manifest_fault, manifest, files)]
        told += await self._each(
            lambda file: fault(f"{blob_key(file.sha256)} {file.size}", self._blob_fault, file), files
        )
        return [sentence for sentence in told if sentence]

    async def _pinned(self, read: Sequence[Read]) -> Pinned:
        ordered = sorted(read, key=lambda one: one.file.path)
        files = tuple(one.file for one in ordered)
        digest, content = manifest(files)
        if manifest_key(digest) not in self._lately:
            await self._thread(self.store.keep, manifest_key(digest), io.BytesIO(content), len(content))
            self._lately.add(manifest_key(digest))
        return Pinned(
            manifest=digest,
            uri=self.store.uri(digest),
            size=sum(file.size for file in files),
            files=files,
            heads={one.file.path: one.head for one in ordered},
        )

    async def _checked(self, files: Sequence[File]) -> list[Read | Refused]:
        if not files:
            raise Refused("no files", "expected at least one file, found none: upload what training wrote")
        faults = [Refused(reason, sentence) for reason, sentence in path_faults(file.path for file in files)]
        return [*faults, *await self._each(self._verified, files)]

    async def _verified(self, file: File) -> Read | Refused:
        # One reader a blob: of a thousand messages about the same bytes, the others wait here and find them known.
        lock = self._reading.setdefault(file.sha256, asyncio.Lock())
        async with lock:
            known = self._known.pop(file.sha256, None)
            if known is None or known.file.size != file.size or not await self._still(known):
                try:
                    known = await self._thread(self._read, file)
                except Refused as refused:
                    return refused
                self._lately.add(blob_key(file.sha256))
            self._known[file.sha256] = known
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
            return Read(file, known.head)

    async def _still(self, known: Read) -> bool:
        key = blob_key(known.file.sha256)
        if key in self._lately:
            return True
        unchanged = await self._thread(self._unchanged, known)
        if unchanged:
            self._lately.add(key)
        return unchanged

    async def _fetched(self, uri: str) -> list[Read | Refused]:
        own = f"s3://{self.store.bucket}/manifests/sha256/"
        if uri.startswith(own):
            return await self._checked(await self._thread(self._own, uri, uri.removeprefix(own)))
        bucket, prefix = _address(uri)
        self._permit(uri, bucket, prefix)
        keys = await self._thread(self._listed, uri, bucket, prefix)
        if faults := [Refused(reason, sentence) for reason, sentence in path_faults(keys)]:
            return [*faults]

        async def copy(path: str) -> Read | Refused:
            try:
                async with self._copying:
                    return await self._thread(self._copy, bucket, keys[path], path)
            except Refused as refused:
                return refused

        return await self._each(copy, keys)

    async def _each(self, work: Callable[[A], Awaitable[B]], items: Collection[A]) -> list[B]:
        if len(items) == 1:
            return [await work(item) for item in items]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(item: A) -> B:
            async with gate:
                return await work(item)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(item)) for item in items]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _thread(self, work: Callable[..., A], *arguments: object) -> A:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _make_bucket(self) -> None:
        try:
            with self.store.asking("make the bucket"):
                if not self.store.client.bucket_exists(self.store.bucket):
                    self.store.client.make_bucket(self.store.bucket)
        except Unavailable as error:  # another setup made it between the question and the wish
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    def _own(self, uri: str, sha256: str) -> tuple[File, ...]:
        try:
            files = self.store.files(f"sha256:{sha256}")
        except Absent:
            raise Refused(
                "missing object", f"expected a manifest at {_shown(uri)}, found none: upload the files"
            ) from None
        except ValueError as error:
            raise Refused("digest differs", str(error)) from None
        if len(manifest(files)[1]) > LISTED:
            raise _too_many(uri, f"{len(files)}")
        return files

    def _read(self, file: File) -> Read:
        key, sha256, size, head = blob_key(file.sha256), hashlib.sha256(), 0, b""
        try:
            with self.store.reading(key) as response:
                etag = response.headers.get("ETag", "").strip('"')
                size = int(response.headers.get("Content-Length", file.size))
                if size == file.size:
                    size = 0
                    for chunk in response.stream(CHUNK, decode_content=False):
                        sha256.update(chunk)
                        size += len(chunk)
                        head += chunk[: HEAD - len(head)]
        except Absent:
            raise Refused(
                "missing object",
                f"expected {_shown(file.path)} at {key}, found no object there: upload it, then send it again",
            ) from None
        if size != file.size:
            raise Refused(
                "size differs",
                f"expected {_shown(file.path)} with {file.size} bytes, found {size} at {key}: upload it again",
            )
        if sha256.hexdigest() != file.sha256:
            raise Refused(
                "digest differs",
                f"expected {_shown(file.path)} with sha256 {file.sha256}, found bytes with {sha256.hexdigest()} "
                "in its place: upload it again",
            )
        return Read(file, head, etag)

    def _unchanged(self, known: Read) -> bool:
        try:
            return bool(known.etag) and self.store.head(blob_key(known.file.sha256)) == (known.file.size, known.etag)
        except Absent:
            return False

    def _permit(self, uri: str, bucket: str, prefix: str) -> None:
        if bucket != self.store.bucket:
            if self._readable is not None and bucket not in self._readable:
                raise Refused(
                    "foreign prefix unreadable",
                    f"expected one of the buckets that MODELOG_FOREIGN_BUCKETS names, found {_shown(bucket)}: copy the "
                    "files to one of them, or upload them with the SDK",
                )
        # Not the letters alone: there are stores that find blobs/ under x/../blobs/ too.
        elif (first := posixpath.normpath(prefix.strip("/")).partition("/")[0]) in (*OURS, ".", ".."):
            raise Refused(
                "foreign prefix unreadable",
                f"expected a folder or a manifest, found {_shown(uri)}, where modelog keeps "
                f"{'the bytes of every model' if first in OURS else 'all that it stores'}: name one manifest, or files",
            )

    def _listed(self, uri: str, bucket: str, prefix: str) -> dict[str, str]:
        """Path inside the artifact → key, for a folder's objects or, if there are none, for the object of that name."""
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        keys, length = {}, 0
        with self._foreign(uri, bucket):
            with self.store.asking(f"list {_shown(uri)}"):
                for found in self.store.client.list_objects(bucket, prefix=folder, recursive=True):
                    key = found.object_name or ""
                    if key.endswith("/"):
                        continue
                    path = key.removeprefix(folder)
                    keys[path] = key
                    length += len(manifest([File(path=path, size=found.size or 0, sha256="0" * 64)])[1])
                    if length > LISTED:
                        raise _too_many(uri, f"more than {len(keys) - 1}")
            if not keys and prefix and not prefix.endswith("/"):
                with suppress(Absent):
                    self.store.head(prefix, bucket)
                    keys[prefix.rpartition("/")[2]] = prefix
        if not keys:
            raise Refused("no files", f"expected files below {_shown(uri)}, found none: upload them first")
        return keys

    def _copy(self, bucket: str, key: str, path: str) -> Read:
        sha256, head, uri = hashlib.sha256(), b"", f"s3://{bucket}/{key}"
        with SpooledTemporaryFile(SPOOL) as spool:
            with self._foreign(uri, bucket), self.store.reading(key, bucket) as response:
                size = int(response.headers.get("Content-Length", 0))
                try:
                    for chunk in response.stream(CHUNK, decode_content=False):
                        sha256.update(chunk)
                        head += chunk[: HEAD - len(head)]
                        spool.write(chunk)
                    spool.flush()
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    raise _too_large(uri, size) from error
            size = spool.tell()
            self.store.keep(blob_key(sha256.hexdigest()), cast(BinaryIO, spool), size)
        return Read(File(path=path, size=size, sha256=sha256.hexdigest()), head)

    @contextmanager
    def _foreign(self, uri: str, bucket: str) -> Iterator[None]:
        """Refuse what nobody can read. What keeps us from our own bucket is our trouble, and raised.

        Any answer that the request was wrong refuses it, as long as our bucket answers the same keys: addresses are
        written by others, and what one of them cannot mend would be tried for ever.
        """
        try:
            yield
        except Absent:
            raise Refused("missing object", f"expected an object at {_shown(uri)}, found it gone: send again") from None
        except Unavailable as error:
            if not _lasting(error.status) or not self._answers():
                raise
            raise _unreadable(uri, error.code or f"status {error.status}") from error
        except ValueError as error:
            raise _unreadable(uri, str(error)) from error

    def _answers(self) -> bool:
        with self.store.asking("look at the bucket"):
            return self.store.client.bucket_exists(self.store.bucket)

    def _manifest_fault(self, digest: str, files: Sequence[File]) -> str | None:
        if digest != (found := manifest(files)[0]):
            return f"expected files whose manifest is {digest}, found files of {found}: one of the two was mistaken"
        try:
            self.store.files(digest)
        except Absent:
            return f"expected a manifest at {self.store.uri(digest)}, found none: register the bytes again"
        except ValueError as error:
            return str(error)
        return None

    def _blob_fault(self, file: File) -> str | None:
        key = blob_key(file.sha256)
        try:
            size, _ = self.store.head(key)
        except Absent:
            return f"expected {_shown(file.path)} at {key}, found no object there: upload the bytes again"
        if size != file.size:
            return f"expected {_shown(file.path)} with {file.size} bytes at {key}, found {size}: upload the bytes again"
        return None


def _address(uri: str) -> tuple[str, str]:
    """Bucket and prefix. Not a URL's parts: a key may contain ? and #."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise _unreadable(uri, "another kind of address")
    if len(prefix.encode("utf-8", "replace")) > LONGEST_KEY:
        raise _unreadable(uri, f"whose key is above {LONGEST_KEY} bytes")
    return bucket, prefix


def _lasting(status: int) -> bool:
    """Whether the same request would be answered with the same status for ever."""
    return status in (MOVED, NOT_IMPLEMENTED) or (400 <= status < 500 and status not in (TIMED_OUT, TOO_MANY))


def _unreadable(uri: str, found: str) -> Refused:
    return Refused(
        "foreign prefix unreadable",
        f"expected s3://bucket/folder that modelog may read, found {_shown(uri)} ({found[:200]}): copy the files there",
    )


def _too_many(uri: str, found: str) -> Refused:
    return Refused(
        "foreign prefix unreadable",
        f"expected the files of one model below {_shown(uri)}, found {found}, which do not fit into a message: "
        "name a smaller folder, or pack them into one file",
    )


def _too_large(uri: str, size: int) -> Refused:
    return Refused(
        "foreign prefix unreadable",
        f"expected to copy {_shown(uri)}, found no room on our disk for its {size} bytes: upload it with the SDK, or "
        "give the service a larger folder for temporary files (TMPDIR)",
    )


def _shown(text: str) -> str:
    """Text from outside, in a sentence that a log can hold: short and without control characters."""
    return repr(text if len(text) <= 200 else text[:200] + "…")


def _unpinnable(refusals: Sequence[Refused]) -> Unpinnable:
    told = "; ".join(refused.sentence for refused in refusals[:SHOWN])
    more = f"; and {len(refusals) - SHOWN} more" if len(refusals) > SHOWN else ""
    return Unpinnable(tuple(dict.fromkeys(refused.reason for refused in refusals)), told + more)
