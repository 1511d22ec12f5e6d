"""Pinning: every byte of an artifact is read once and is in the store under its own digest. Nothing is unpickled."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Collection, Sequence
from weakref import WeakValueDictionary

from modelog.manifest import blob_key, manifest, manifest_key, path_problems
from modelog.store import CHUNK_BYTES, Absent
from modelog.values import Artifact, File

from services.ingestion.foreign import Foreign
from services.ingestion.pinned import HEAD_BYTES, Pinned, ReadFile, Refused, Unpinnable, unpinnable
from shared.artifacts.store import FILES_AT_ONCE, ArtifactStore
from shared.domain.sentences import shown
from shared.runtime.runtime import Runtime

MAX_KNOWN_FILES = 10_000
MAX_KNOWN_ARTIFACTS, MAX_FILES_OF_KNOWN_ARTIFACT = 1_000, 8
"""The artifacts that are remembered as a whole, and the most files that each may have."""


class Pinning:
    """The store, as ingestion uses it. `foreign` names the buckets whose objects may be copied in; None is any."""

    def __init__(self, artifacts: ArtifactStore, foreign: Collection[str] | None = None) -> None:
        self.artifacts = artifacts
        self.store = artifacts.store
        self._foreign = Foreign(self.store, foreign)
        self._files: dict[str, ReadFile] = {}
        self._artifacts: dict[tuple[File, ...], tuple[Pinned, tuple[str, ...]]] = {}
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._copying = asyncio.Semaphore(FILES_AT_ONCE)  # of all artifacts: a copy takes 64 MiB of memory, and disk

    @classmethod
    def open(cls, runtime: Runtime) -> Pinning:
        """On the store of the process, with the buckets of its settings."""
        return cls(runtime.resource(ArtifactStore), runtime.settings.foreign())

    def known(self, artifact: Artifact) -> Pinned | None:
        """What `pin` would return, if it is known without a request."""
        pinned, keys = self._artifacts.get(artifact.files, (None, ()))
        return pinned if all(key in self.artifacts.seen for key in keys) else None

    async def pin(self, artifact: Artifact) -> Pinned | Unpinnable:
        """Read every byte of `artifact` once, copy in what is foreign, and put its manifest.

        A blob that this process has read, and whose ETag is still the same, is not read again; when it was seen in the
        last seconds, its ETag is not requested either.
        """
        try:
            found = await (self._checked(artifact.files) if artifact.uri is None else self._fetched(artifact.uri))
        except Refused as refused:
            found = [refused]
        if refusals := [outcome for outcome in found if isinstance(outcome, Refused)]:
            return unpinnable(refusals)
        pinned = await self._with_manifest([outcome for outcome in found if isinstance(outcome, ReadFile)])
        if 0 < len(artifact.files) <= MAX_FILES_OF_KNOWN_ARTIFACT:
            keys = manifest_key(pinned.manifest), *(blob_key(file.sha256) for file in pinned.files)
            self._artifacts[artifact.files] = pinned, keys
            if len(self._artifacts) > MAX_KNOWN_ARTIFACTS:
                del self._artifacts[next(iter(self._artifacts))]
        return pinned

    async def _with_manifest(self, read: Sequence[ReadFile]) -> Pinned:
        ordered = sorted(read, key=lambda found: found.file.path)
        files = tuple(found.file for found in ordered)
        digest, content = manifest(files)
        if manifest_key(digest) not in self.artifacts.seen:
            await self.artifacts.thread(self.store.keep, manifest_key(digest), io.BytesIO(content), len(content))
            self.artifacts.seen.add(manifest_key(digest))
        return Pinned(
            manifest=digest,
            uri=self.store.uri(digest),
            size=sum(file.size for file in files),
            files=files,
            heads={found.file.path: found.head for found in ordered},
        )

    async def _checked(self, files: Sequence[File]) -> list[ReadFile | Refused]:
        if not files:
            raise Refused("no files", "expected at least one file, found none: upload what training wrote")
        problems = [Refused(reason, sentence) for reason, sentence in path_problems(file.path for file in files)]
        return [*problems, *await self.artifacts.each(self._verified, files)]

    async def _verified(self, file: File) -> ReadFile | Refused:
        # Each blob is read by one task: the tasks of other messages about the same bytes wait, and find it known.
        lock = self._reading.setdefault(file.sha256, asyncio.Lock())
        async with lock:
            known = self._files.pop(file.sha256, None)
            if known is None or known.file.size != file.size or not await self._is_unchanged(known):
                try:
                    known = await self.artifacts.thread(self._read, file)
                except Refused as refused:
                    return refused
                self.artifacts.seen.add(blob_key(file.sha256))
            self._files[file.sha256] = known
            if len(self._files) > MAX_KNOWN_FILES:
                del self._files[next(iter(self._files))]
            return ReadFile(file, known.head)

    async def _is_unchanged(self, known: ReadFile) -> bool:
        key = blob_key(known.file.sha256)
        if key in self.artifacts.seen:
            return True
        unchanged = await self.artifacts.thread(self._has_same_etag, known)
        if unchanged:
            self.artifacts.seen.add(key)
        return unchanged

    async def _fetched(self, uri: str) -> list[ReadFile | Refused]:
        found = await self.artifacts.thread(self._foreign.found, uri)
        if isinstance(found, tuple):
            return await self._checked(found)
        bucket, keys = found.bucket, found.keys
        if problems := [Refused(reason, sentence) for reason, sentence in path_problems(keys)]:
            return [*problems]

        async def copy(path: str) -> ReadFile | Refused:
            try:
                async with self._copying:
                    return await self.artifacts.thread(self._foreign.copy, bucket, keys[path], path)
            except Refused as refused:
                return refused

        return await self.artifacts.each(copy, keys)

    def _read(self, file: File) -> ReadFile:
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
                        head += chunk[: HEAD_BYTES - len(head)]
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
        return ReadFile(file, head, etag)

    def _has_same_etag(self, known: ReadFile) -> bool:
        try:
            return bool(known.etag) and self.store.head(blob_key(known.file.sha256)) == (known.file.size, known.etag)
        except Absent:
            return False
