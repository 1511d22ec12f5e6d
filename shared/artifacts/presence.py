"""Are the bytes of a version in the store? Looked at before a verdict, and again before the version serves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import Self
from weakref import WeakValueDictionary

from modelog.manifest import blob_key, manifest
from modelog.store import CHUNK_BYTES, Absent, Denied, Unavailable
from modelog.values import File

from shared.artifacts.recently_seen import blob_question, manifest_question
from shared.artifacts.store import LARGE_BYTES, LOOKS_AT_ONCE, MAX_FAULTS, ArtifactStore
from shared.domain.looking import BytesProblem, BytesSeen
from shared.domain.sentences import shown
from shared.runtime.runtime import Resource, Runtime

MAX_LOOKED_AT = 1_000
"""The most blobs of a version that are looked at, evenly from the first path to the last: a second of requests."""


class Presence(Resource):
    """Compares the store with the manifest of a version."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self.artifacts = artifacts
        self._looking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Each version is looked at by one task; the others wait, and find it known."""

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        """On the store of the process."""
        return cls(runtime.resource(ArtifactStore))

    async def problem(self) -> str | None:
        """That of the store."""
        return await self.artifacts.problem()

    def known(self, digest: str) -> BytesSeen | None:
        """What `look` would return, if every byte was found as promised within the last minute."""
        seen = self.artifacts.seen.get(("version", digest))
        return seen if isinstance(seen, BytesSeen) else None

    async def look(self, digest: str, files: Sequence[File] | None = None) -> BytesSeen:
        """Read the manifest, and ask for size and ETag of its blobs; raise Unavailable if the store cannot be asked.

        `files` are the manifest's, if they are known; that they are is computed each time. What was found as promised
        within the last minute is not looked at again, a problem is. A blob whose ETag has changed since this process
        first saw it is read. After ten problems the other blobs are not looked at.
        """
        lock = self._looking.setdefault(digest, asyncio.Lock())
        async with lock:
            return (self.known(digest) if files is None else None) or await self._look(digest, files)

    async def _look(self, digest: str, files: Sequence[File] | None) -> BytesSeen:
        listed, problem = await self._listed(digest, files)
        problems = [problem] if problem else []
        blobs = list({(file.sha256, file.size): file for file in listed}.values())
        chosen = _evenly(blobs, MAX_LOOKED_AT)
        most = MAX_FAULTS - len(problems)
        outcomes = await self.artifacts.each(self._blob_problem, chosen, bool, most, LOOKS_AT_ONCE)
        problems += filter(None, outcomes)
        seen = BytesSeen(digest, tuple(problems), len(outcomes), len(blobs))
        if problems:
            await self._raise_if_store_fails()
        else:
            self._remember(seen, chosen)
        return seen

    def _remember(self, seen: BytesSeen, blobs: Sequence[File]) -> None:
        """For a minute since the first of its objects was looked at, perhaps for another version."""
        memory = self.artifacts.seen
        times = [memory.answered_at(*_questions(file)) for file in blobs]
        at = min(memory.answered_at(manifest_question(seen.manifest)), *times)
        memory.add(("version", seen.manifest), seen, at)

    async def _raise_if_store_fails(self) -> None:
        """A bucket that is not there, or that refuses our key, answers a HEAD like an object that is not there."""
        if problem := await self.artifacts.problem():
            raise Unavailable(problem)

    async def _listed(self, digest: str, files: Sequence[File] | None) -> tuple[Sequence[File], BytesProblem | None]:
        """The files of the manifest, as far as they are known, and what is wrong with it."""
        if files is not None:
            expected, _ = await self.artifacts.compute(manifest, files, items=len(files))
            if digest != expected:
                sentence = f"expected files whose manifest is {digest}, found files of {expected}"
                return files, BytesProblem("digest differs", f"{sentence}: register the version again")
            if manifest_question(digest) in self.artifacts.seen:
                return files, None
        found = await self.artifacts.look(self._read_manifest, digest)
        if isinstance(found, BytesProblem):
            return files or (), found
        self.artifacts.seen.add(manifest_question(digest))
        return found, None

    def _read_manifest(self, digest: str) -> Sequence[File] | BytesProblem:
        uri = self.artifacts.store.uri(digest)
        try:
            return self.artifacts.store.files(digest)
        except Absent:
            sentence = f"expected a manifest at {uri}, found none: register the bytes again"
            return BytesProblem("missing object", sentence)
        except Denied as error:
            return BytesProblem("unreadable object", str(error))
        except ValueError as error:
            return BytesProblem("digest differs", str(error))

    async def _blob_problem(self, file: File) -> BytesProblem | None:
        seen, (bytes_read, size_asked) = self.artifacts.seen, _questions(file)
        if bytes_read in seen or size_asked in seen:
            return None
        etag = await self.artifacts.look(self._asked, file)
        if isinstance(etag, BytesProblem):
            return etag
        known = self.artifacts.etags.get(blob_question(file))
        if known and etag != known:
            problem = await self.artifacts.read(self._read_blob, file, large=file.size > LARGE_BYTES)
            if problem:
                return problem
        self.artifacts.etags.add(blob_question(file), etag)
        seen.add(size_asked)
        return None

    def _asked(self, file: File) -> str | BytesProblem:
        """The ETag of a blob that has its size."""
        key = blob_key(file.sha256)
        try:
            size, etag = self.artifacts.store.head(key)
        except Absent:
            return _missing(file)
        except Denied as error:
            return _unreadable(file, error)
        if size != file.size:
            sentence = f"expected {shown(file.path)} with {file.size} bytes at {key}, found {size}"
            return BytesProblem("size differs", f"{sentence}: upload the bytes again")
        return etag

    def _read_blob(self, file: File, stopped: Callable[[], bool]) -> BytesProblem | None:
        """The digest shows whether bytes that were put again are others."""
        sha256, key = hashlib.sha256(), blob_key(file.sha256)
        try:
            with self.artifacts.store.reading(key) as response:
                for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                    if stopped():
                        break
                    sha256.update(chunk)
        except Absent:
            return _missing(file)
        except Denied as error:
            return _unreadable(file, error)
        if sha256.hexdigest() == file.sha256:
            return None
        sentence = f"expected {shown(file.path)} with sha256 {file.sha256} at {key}, found other bytes in its place"
        return BytesProblem("digest differs", f"{sentence}: upload the bytes again")


def _questions(file: File) -> tuple[Hashable, Hashable]:
    """Whether the blob was read, and whether it has its size."""
    return blob_question(file), ("size", file.sha256, file.size)


def _missing(file: File) -> BytesProblem:
    sentence = f"expected {shown(file.path)} at {blob_key(file.sha256)}, found no object there: upload the bytes again"
    return BytesProblem("missing object", sentence)


def _unreadable(file: File, error: Denied) -> BytesProblem:
    return BytesProblem("unreadable object", f"{shown(file.path)} cannot be read: {error}")


def _evenly(blobs: Sequence[File], most: int) -> Sequence[File]:
    return blobs if len(blobs) <= most else [blobs[number * len(blobs) // most] for number in range(most)]
