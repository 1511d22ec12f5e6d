"""The services' side of the artifact store: pin what was trained, say what is not as promised. Nothing is unpickled.

All requests run in threads of this module, so neither the event loop nor anybody else's threads wait for bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakValueDictionary

from modelog.manifest import blob_key, manifest, manifest_key, path_problems
from modelog.store import CHUNK_BYTES, MAX_CONNECTIONS, Absent, Store, Unavailable
from modelog.values import Artifact, File

from shared.artifacts.foreign import Foreign
from shared.artifacts.pinning import HEAD, Pinned, Read, Refused, Unpinnable, shown, unpinnable

THREADS = MAX_CONNECTIONS // 2
AT_ONCE = 4
"""The files of one artifact that are read at a time, so that a large artifact leaves threads to the others."""
REMEMBERED = 10_000
FEW, RECENT = 8, 1_000
"""Artifacts of so few files are remembered as a whole, so many of them."""
FRESH = 30.0
"""Seconds for which an object that was found as promised is not asked for again: a hundred models may share it."""

A = TypeVar("A")
B = TypeVar("B")


class RecentlySeen:
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
        self._foreign = Foreign(store, foreign)
        self._threads = ThreadPoolExecutor(THREADS, "artifacts")
        self._known: dict[str, Read] = {}
        self._pinned: dict[tuple[File, ...], Pinned] = {}
        self._lately = RecentlySeen(fresh)
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

    def pinned(self, artifact: Artifact) -> Pinned | None:
        """What `pin` would say, if it knows that without asking anybody."""
        found = self._pinned.get(artifact.files)
        if found is None or manifest_key(found.manifest) not in self._lately:
            return None
        return found if all(blob_key(file.sha256) in self._lately for file in found.files) else None

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
            return unpinnable(refusals)
        pinned = await self._manifested([outcome for outcome in found if isinstance(outcome, Read)])
        if 0 < len(artifact.files) <= FEW:
            self._pinned[artifact.files] = pinned
            if len(self._pinned) > RECENT:
                del self._pinned[next(iter(self._pinned))]
        return pinned

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

    async def _manifested(self, read: Sequence[Read]) -> Pinned:
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
        faults = [Refused(reason, sentence) for reason, sentence in path_problems(file.path for file in files)]
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
        found = await self._thread(self._foreign.found, uri)
        if isinstance(found, tuple):
            return await self._checked(found)
        bucket, keys = found.bucket, found.keys
        if faults := [Refused(reason, sentence) for reason, sentence in path_problems(keys)]:
            return [*faults]

        async def copy(path: str) -> Read | Refused:
            try:
                async with self._copying:
                    return await self._thread(self._foreign.copy, bucket, keys[path], path)
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

    def _read(self, file: File) -> Read:
        key, sha256, size, head = blob_key(file.sha256), hashlib.sha256(), 0, b""
        try:
            with self.store.reading(key) as response:
                etag = response.headers.get("ETag", "").strip('"')
                size = int(response.headers.get("Content-Length", file.size))
                if size == file.size:
                    size = 0
                    for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                        sha256.update(chunk)
                        size += len(chunk)
                        head += chunk[: HEAD - len(head)]
        except Absent:
            raise Refused(
                "missing object",
                f"expected {shown(file.path)} at {key}, found no object there: upload it, then send it again",
            ) from None
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
        return Read(file, head, etag)

    def _unchanged(self, known: Read) -> bool:
        try:
            return bool(known.etag) and self.store.head(blob_key(known.file.sha256)) == (known.file.size, known.etag)
        except Absent:
            return False

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
            return f"expected {shown(file.path)} at {key}, found no object there: upload the bytes again"
        if size != file.size:
            return f"expected {shown(file.path)} with {file.size} bytes at {key}, found {size}: upload the bytes again"
        return None
