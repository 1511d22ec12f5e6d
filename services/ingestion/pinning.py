"""Pinning: every byte of an artifact is read once and is in the store under its own digest. Nothing is unpickled."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Self, TypeVar
from weakref import WeakValueDictionary

from modelog.manifest import manifest, manifest_key
from modelog.values import Artifact, File

from services.ingestion import limits
from services.ingestion.blobs import is_same_blob, read_blob
from services.ingestion.foreign import Foreign, Object
from services.ingestion.formats import format_of
from services.ingestion.pinned import Pinned, ReadFile, Refused, Unpinnable, unpinnable
from shared.artifacts.memory import Memory
from shared.artifacts.recently_seen import blob_question, manifest_question
from shared.artifacts.store import FILES_AT_ONCE, MAX_FAULTS, ArtifactStore, is_large
from shared.runtime.runtime import Resource, Runtime

MAX_KNOWN_FILES = 10_000
"""The files, and the foreign objects, that are remembered."""
MAX_KNOWN_ARTIFACTS, MAX_FILES_OF_KNOWN_ARTIFACT = 1_000, 8
"""The artifacts that are remembered as a whole, and the most files that each may have."""

A = TypeVar("A")


class Pinning(Resource):
    """The store, as ingestion uses it. `foreign` names the buckets whose objects may be copied in; None is any."""

    def __init__(self, artifacts: ArtifactStore, foreign: Collection[str] | None = None) -> None:
        self.artifacts = artifacts
        self.store = artifacts.store
        self._foreign = Foreign(self.store, foreign)
        self._files: Memory[str, ReadFile] = Memory(MAX_KNOWN_FILES)
        self._copies: Memory[Object, File] = Memory(MAX_KNOWN_FILES)
        self._artifacts: Memory[tuple[File, ...], Pinned] = Memory(MAX_KNOWN_ARTIFACTS)
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # The small copies of all artifacts: each takes up to 24 MiB of memory, so they do not get every thread.
        self._copying = asyncio.Semaphore(FILES_AT_ONCE)

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        """On the store of the process, with the buckets of its settings."""
        return cls(runtime.resource(ArtifactStore), runtime.settings.foreign())

    async def problem(self) -> str | None:
        """That of the store."""
        return await self.artifacts.problem()

    def known(self, artifact: Artifact) -> Pinned | None:
        """What `pin` would return, if it is known without a request."""
        if len(artifact.files) > MAX_FILES_OF_KNOWN_ARTIFACT:
            return None
        pinned, seen = self._artifacts.get(artifact.files), self.artifacts.seen
        if pinned is None or manifest_question(pinned.manifest) not in seen:
            return None
        return pinned if all(blob_question(file) in seen for file in pinned.files) else None

    async def pin(self, artifact: Artifact) -> Pinned | Unpinnable:
        """Read every byte of `artifact` once, copy in what is foreign, and put its manifest.

        A blob that this process has read, and whose ETag is still the same, is not read again; when it was seen in the
        last seconds, its ETag is not requested either. After ten faults the other files are not looked at.
        """
        try:
            read = await (self._checked(artifact.files) if artifact.uri is None else self._fetched(artifact.uri))
        except Refused as refused:
            return unpinnable([refused])
        if isinstance(read, Unpinnable):
            return read
        pinned = await self._with_manifest(read)
        if 0 < len(artifact.files) <= MAX_FILES_OF_KNOWN_ARTIFACT:
            self._artifacts.add(artifact.files, pinned)
        return pinned

    async def _with_manifest(self, read: Sequence[ReadFile]) -> Pinned:
        pinned, content = await self.artifacts.compute(self._described, read, items=len(read))
        if manifest_question(pinned.manifest) not in self.artifacts.seen:
            key = manifest_key(pinned.manifest)
            await self.artifacts.thread(self.store.keep, key, io.BytesIO(content), len(content))
            self.artifacts.seen.add(manifest_question(pinned.manifest))
        return pinned

    def _described(self, read: Sequence[ReadFile]) -> tuple[Pinned, bytes]:
        files = tuple(sorted((found.file for found in read), key=lambda file: file.path))
        digest, content = manifest(files)
        format = format_of({found.file.path: found.head for found in read})
        return Pinned(digest, self.store.uri(digest), sum(file.size for file in files), format, files), content

    async def _checked(self, files: Sequence[File]) -> list[ReadFile] | Unpinnable:
        faults = await self.artifacts.compute(limits.check, files, items=len(files))
        large = is_large([file.size for file in files])
        return await self._each(lambda file: self._verified(file, large), files, faults)

    async def _fetched(self, uri: str) -> list[ReadFile] | Unpinnable:
        found = await self.artifacts.thread(self._foreign.found, uri)
        if isinstance(found, tuple):
            return await self._checked(found)
        if faults := await self.artifacts.compute(limits.path_refusals, found, items=len(found)):
            return unpinnable(faults)
        large = is_large([source.size for source in found.values()])
        return await self._each(lambda path: self._copied(found[path], path, large), found, [])

    async def _each(
        self, work: Callable[[A], Awaitable[ReadFile | Refused]], items: Collection[A], faults: list[Refused]
    ) -> list[ReadFile] | Unpinnable:
        """The files that `work` returns; `faults` were found before."""
        outcomes = await self.artifacts.each(work, items, _is_refused, MAX_FAULTS - len(faults))
        faults += (outcome for outcome in outcomes if isinstance(outcome, Refused))
        if faults:
            return unpinnable(faults, unseen=len(items) - len(outcomes))
        return [outcome for outcome in outcomes if isinstance(outcome, ReadFile)]

    async def _verified(self, file: File, large: bool) -> ReadFile | Refused:
        # Each blob is read by one task: the tasks of other messages about the same bytes wait, and find it known.
        lock = self._reading.setdefault(file.sha256, asyncio.Lock())
        async with lock:
            known = self._files.get(file.sha256)
            if known is None or known.file.size != file.size or not await self._is_unchanged(known):
                try:
                    known = await self.artifacts.read(read_blob, self.store, file, large=large)
                except Refused as refused:
                    return refused
                self._remember(known)
            return ReadFile(file, known.head)

    def _remember(self, read: ReadFile) -> None:
        self._files.add(read.file.sha256, read)
        self.artifacts.etags.add(blob_question(read.file), read.etag)
        self.artifacts.seen.add(blob_question(read.file))

    async def _is_unchanged(self, known: ReadFile) -> bool:
        question = blob_question(known.file)
        if question in self.artifacts.seen:
            return True
        unchanged = await self.artifacts.thread(is_same_blob, self.store, known)
        if unchanged:
            self.artifacts.seen.add(question)
        return unchanged

    async def _copied(self, source: Object, path: str, large: bool) -> ReadFile | Refused:
        # Each object is copied by one task: the others wait, and find by its ETag and size that its bytes are here.
        lock = self._reading.setdefault(source.uri, asyncio.Lock())
        async with lock:
            if source.etag and (known := self._copies.get(source)):
                found = await self._verified(known.model_copy(update={"path": path}), large)
                if isinstance(found, ReadFile):
                    return found
            try:
                async with nullcontext() if large else self._copying:
                    read, etag = await self.artifacts.read(self._foreign.copy, source, path, large=large)
            except Refused as refused:
                return refused
            self._copies.add(replace(source, size=read.file.size, etag=etag), read.file)
            self._remember(read)
            return read


def _is_refused(outcome: ReadFile | Refused) -> bool:
    return isinstance(outcome, Refused)
