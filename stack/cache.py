"""The user's cache, for programs that are fetched or built once and shared by every checkout."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.terminal import StackError

ROOT_USER = 0
OTHERS_WRITE = 0o022


def cache_directory() -> Path:
    """MODELOG_CACHE, else the user's cache."""
    if chosen := os.environ.get("MODELOG_CACHE"):
        return Path(chosen).resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "modelog").resolve()


def close_to_others(path: Path) -> None:
    """Let nobody else write here; raise StackError where another user owns it."""
    found = path.lstat()
    if found.st_uid not in {os.geteuid(), ROOT_USER} or stat.S_ISLNK(found.st_mode):
        raise StackError(f"{path} belongs to another user, or is a link: delete it, or set MODELOG_CACHE.")
    if found.st_mode & OTHERS_WRITE:
        try:
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS_WRITE)
        except OSError as reason:
            raise StackError(f"Other users can write to {path} ({reason}): set MODELOG_CACHE.") from reason


@contextmanager
def one_process_at_a_time(file: Path) -> Iterator[None]:
    """Lock this file for the time of the block, after any other process that has locked it."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
