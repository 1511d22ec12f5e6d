"""A folder on this machine, without following a link inside of it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from modelog.untrusted import printable

MAX_ENTRIES = 200_000
"""Files and folders that are listed: no version has so many."""
OLD_STAGING = re.compile(r"\.modelog-[a-z0-9_]{8}")
"""What a download of an older SDK left in its folder when it was killed."""
HAS_FDS = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd


@dataclass(frozen=True)
class Contents:
    """The regular files of a folder by their path inside it, the folders, and the first other thing, if any."""

    files: dict[str, os.stat_result]
    folders: set[str]
    other: str | None


def contents(root: Path) -> Contents:
    """What a folder holds; raise ValueError if it holds more than a version can.

    What a killed download of an older SDK left is a folder without files.
    """
    found, waiting = Contents({}, set(), None), [""]
    other = None
    while waiting:
        folder = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    found.folders.add(path)
                    if not (OLD_STAGING.fullmatch(path) and _is_old_staging(Path(entry.path))):
                        waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    found.files[path] = Path(entry.path).stat(follow_symlinks=False)
                else:
                    other = other or path
                if len(found.files) + len(found.folders) > MAX_ENTRIES:
                    raise ValueError(f"expected the files of a version in {shown(root)}, found more than {MAX_ENTRIES}")
    return Contents(found.files, found.folders, other)


def folders_of(paths: Iterable[str]) -> Iterator[str]:
    """The folders that files with these paths are in."""
    for path in paths:
        yield from (str(folder) for folder in list(PurePosixPath(path).parents)[:-1])


def signature(found: os.stat_result) -> tuple[int, ...]:
    """Another for a file whose bytes have changed, or that is another file; the same for a file that is removed."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def opened_file(path: str | Path) -> BinaryIO:
    """A regular file open for reading; ValueError for all else, at once where reading a pipe would wait for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ValueError(f"expected a file at {shown(path)}, found a folder, a device or a pipe: name a file")
    return os.fdopen(file, "rb")


class NewFolder:
    """A folder that is made, and files that are made in it; the folders are opened, so that no link leads out of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) if HAS_FDS else None

    def create(self, path: str) -> BinaryIO:
        """A new file at the path, open for writing, in folders that are made; raise OSError."""
        *folders, name = path.split("/")
        if self._fd is None:
            self.path.joinpath(*folders).mkdir(parents=True, exist_ok=True)
            return self.path.joinpath(path).open("xb")
        above = os.dup(self._fd)
        try:
            for folder in folders:
                below = _opened(folder, above)
                os.close(above)
                above = below
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            return os.fdopen(os.open(name, flags, 0o666, dir_fd=above), "wb")
        finally:
            os.close(above)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)


def shown(path: str | Path) -> str:
    """A path in a sentence."""
    return printable(str(path))


def _opened(folder: str, above: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(folder, dir_fd=above)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)


def _is_old_staging(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return all(entry.name.isdecimal() and entry.is_file(follow_symlinks=False) for entry in entries)
