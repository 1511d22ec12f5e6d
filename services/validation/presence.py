"""Is every object of a version in the store?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from modelog.manifest import blob_key, manifest
from modelog.store import Absent
from modelog.values import File

from shared.artifacts.recently_seen import blob_question, manifest_question
from shared.artifacts.store import MAX_FAULTS, ArtifactStore
from shared.domain.sentences import shown
from shared.runtime.runtime import Resource, Runtime


class Presence(Resource):
    """Compares the store with the manifest of a version."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self.artifacts = artifacts

    @classmethod
    def open(cls, runtime: Runtime) -> Self:
        """On the store of the process."""
        return cls(runtime.resource(ArtifactStore))

    async def problem(self) -> str | None:
        """That of the store."""
        return await self.artifacts.problem()

    async def problems(self, digest: str, files: Sequence[File]) -> list[str]:
        """A sentence for each object that is not as promised: the manifest is read, the size of each blob is checked.

        Objects that were found as promised within the last seconds are not checked again. That the manifest is that of
        `files` is computed each time: no memory of the manifest says anything about files. After ten problems the
        other files are not looked at.
        """
        found = await self._manifest_problems(digest, files)
        sizes = await self.artifacts.each(self._size_problem, files, bool, MAX_FAULTS - len(found))
        found += filter(None, sizes)
        if left := len(files) - len(sizes):
            found[MAX_FAULTS - 1 :] = [f"{left} files were not looked at"]
        return found

    async def _manifest_problems(self, digest: str, files: Sequence[File]) -> list[str]:
        expected, _ = await self.artifacts.compute(manifest, files, items=len(files))
        if digest != expected:
            return [f"expected files whose manifest is {digest}, found files of {expected}: register the version again"]
        question = manifest_question(digest)
        if question not in self.artifacts.seen:
            if problem := await self.artifacts.thread(self._manifest_problem, digest):
                return [problem]
            self.artifacts.seen.add(question)
        return []

    def _manifest_problem(self, digest: str) -> str | None:
        try:
            self.artifacts.store.files(digest)
        except Absent:
            return f"expected a manifest at {self.artifacts.store.uri(digest)}, found none: register the bytes again"
        except ValueError as error:
            return str(error)
        return None

    async def _size_problem(self, file: File) -> str | None:
        bytes_read, question = blob_question(file), ("size", file.sha256, file.size)
        if bytes_read in self.artifacts.seen or question in self.artifacts.seen:
            return None
        problem = await self.artifacts.thread(self._blob_problem, file)
        if problem is None:
            self.artifacts.seen.add(question)
        return problem

    def _blob_problem(self, file: File) -> str | None:
        key = blob_key(file.sha256)
        try:
            size, _ = self.artifacts.store.head(key)
        except Absent:
            return f"expected {shown(file.path)} at {key}, found no object there: upload the bytes again"
        if size != file.size:
            return f"expected {shown(file.path)} with {file.size} bytes at {key}, found {size}: upload the bytes again"
        return None
