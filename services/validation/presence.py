"""Is every object of a version in the store?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Absent
from modelog.values import File

from shared.artifacts.store import ArtifactStore
from shared.domain.sentences import shown
from shared.runtime.runtime import Runtime


class Presence:
    """Compares the store with the manifest of a version."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self.artifacts = artifacts

    @classmethod
    def open(cls, runtime: Runtime) -> Presence:
        """On the store of the process."""
        return cls(runtime.resource(ArtifactStore))

    async def problems(self, manifest: str, files: Sequence[File]) -> list[str]:
        """A sentence for each object that is not as promised: the manifest is read, the size of each blob is checked.

        Objects that were found as promised within the last seconds are not checked again.
        """

        async def problem(key: str, ask: Callable[..., str | None], *arguments: object) -> str | None:
            if key in self.artifacts.seen:
                return None
            sentence = await self.artifacts.thread(ask, *arguments)
            if sentence is None:
                self.artifacts.seen.add(key)
            return sentence

        found = [await problem(manifest_key(manifest), self._manifest_problem, manifest, files)]
        found += await self.artifacts.each(
            lambda file: problem(f"{blob_key(file.sha256)} {file.size}", self._blob_problem, file), files
        )
        return [sentence for sentence in found if sentence]

    def _manifest_problem(self, digest: str, files: Sequence[File]) -> str | None:
        if digest != (found := manifest(files)[0]):
            return f"expected files whose manifest is {digest}, found files of {found}: register the version again"
        try:
            self.artifacts.store.files(digest)
        except Absent:
            return f"expected a manifest at {self.artifacts.store.uri(digest)}, found none: register the bytes again"
        except ValueError as error:
            return str(error)
        return None

    def _blob_problem(self, file: File) -> str | None:
        key = blob_key(file.sha256)
        try:
            size, _ = self.artifacts.store.head(key)
        except Absent:
            return f"expected {shown(file.path)} at {key}, found no object there: upload the bytes again"
        if size != file.size:
            return f"expected {shown(file.path)} with {file.size} bytes at {key}, found {size}: upload the bytes again"
        return None
