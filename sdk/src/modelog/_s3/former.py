"""What is at the place of a download before it: it is replaced where nothing is lost."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelog._s3.digests import hashed
from modelog._s3.errors import Absent, Denied
from modelog._s3.folder import Contents, contents, folders_of, opened_file, shown, signature
from modelog.manifest import blob_key
from modelog.values import File

if TYPE_CHECKING:
    from modelog.store import Store

FILES_AT_ONCE = 8
MAX_ATTEMPTS = 100
"""To read a folder that other downloads replace meanwhile."""


class Former:
    """The files at `into`, which may be replaced if the store has the bytes of each of them, of whatever version."""

    def __init__(self, store: Store, files: Collection[File], into: Path) -> None:
        self._store = store
        self._version = {file.path: file.sha256 for file in files}
        self._kept = {file.sha256 for file in files}
        self._into = into
        self._digests: dict[tuple[int, ...], str] = {}

    def is_the_version(self, folder: Path) -> bool:
        """Whether the folder holds exactly the version's files; raise ValueError if it may not be replaced."""
        for _ in range(MAX_ATTEMPTS):
            with suppress(FileNotFoundError):  # another download has replaced the folder
                found = self._checked(folder)
                digests = {path: self._digests.get(signature(status)) for path, status in found.files.items()}
                return digests == self._version and found.folders == set(folders_of(digests))
        return False

    def check(self, folder: Path) -> None:
        """Raise ValueError if the folder may not be replaced. A file that was read before is not read again."""
        if folder.is_symlink() or not folder.is_dir():
            raise ValueError(f"expected a folder at {shown(self._into)}, found that it was replaced: try again")
        self._checked(folder)

    def _checked(self, folder: Path) -> Contents:
        found = contents(folder)
        if found.other is not None:
            raise self._not_replaced(found.other, "which is a link, a device or a pipe")
        # The smallest first: in a folder of somebody else, a file of theirs is soon found.
        unread = sorted((status.st_size, path) for path, status in found.files.items() if not self._is_read(status))
        paths = [path for _, path in unread]
        with ThreadPoolExecutor(FILES_AT_ONCE) as threads:
            for first in range(0, len(paths), FILES_AT_ONCE):
                several = paths[first : first + FILES_AT_ONCE]
                for path, kept in zip(several, threads.map(self._is_kept, [folder / p for p in several]), strict=True):
                    if not kept:
                        raise self._not_replaced(path, "whose bytes are not in the store")
        return found

    def _is_read(self, status: os.stat_result) -> bool:
        return signature(status) in self._digests

    def _is_kept(self, path: Path) -> bool:
        with opened_file(path) as data:
            before = os.fstat(data.fileno())
            sha256 = hashed(data, hashlib.sha256()).hexdigest()
            if signature(os.fstat(data.fileno())) != signature(before):
                return False
        try:
            kept = sha256 in self._kept or self._store.head(blob_key(sha256))[0] == before.st_size
        except (Absent, Denied):  # S3 denies what is not there to a key that may not list
            return False
        if kept:
            self._digests[signature(before)] = sha256
        return kept

    def _not_replaced(self, path: str, reason: str) -> ValueError:
        return ValueError(
            f"expected {shown(self._into)} to be empty or to hold files of versions, found {path[:60]!r}, {reason}: "
            "name a folder that is for downloads alone, or remove what is there"
        )
