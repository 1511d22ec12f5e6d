"""A folder beside the target of a download, for the time of the download; what a killed process left is removed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

NAME = re.compile(r"\..+\.modelog-[a-z0-9_]{8}")
ALIVE, OLD = "alive", "old"
"""In the folder: a file that its process keeps locked, with the name of the target; and what was at the target, while
another folder is put there."""
MAX_NAME_BYTES = 200
"""Of the target's name, that the name of the folder beside it repeats."""
MAX_ATTEMPTS = 100


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A new folder beside the target, in which only this process writes. At the end it is removed with what it holds.

    What killed downloads left in the same place is removed before. If the block fails, the folders above the target
    that were made for it are removed, too.
    """
    parents = [folder for folder in target.parents if not folder.exists()]
    try:
        clear(target.parent)
        folder, lock = _made(target)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)  # Windows removes no open file
    except BaseException:
        for parent in parents:
            with suppress(OSError):
                parent.rmdir()
        raise


def clear(parent: Path) -> None:
    """Remove what killed downloads of this user left in a folder; what was taken from a target is put back there."""
    with suppress(FileNotFoundError, PermissionError):
        for folder in list(parent.iterdir()):
            if NAME.fullmatch(folder.name) and _is_ours(folder):
                _clear(folder)


def _clear(folder: Path) -> None:
    try:
        lock = os.open(folder / ALIVE, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        with suppress(OSError):  # killed before it made the file: the folder is empty
            folder.rmdir()
        return
    try:
        if not _is_locked_by_us(lock):
            return
        target = folder.parent / Path(os.fsdecode(os.read(lock, 1024))).name
        if (folder / OLD).exists() and not os.path.lexists(target):
            (folder / OLD).rename(target)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass  # no locks here, or another process clears the same folder
    finally:
        os.close(lock)


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())


def _made(target: Path) -> tuple[Path, int]:
    for _ in range(MAX_ATTEMPTS):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Another process may clear the folder before it is locked: then another folder is made.
        with suppress(FileNotFoundError):
            folder = Path(mkdtemp(prefix=_prefix(target), dir=target.parent))
            if (lock := _locked_inside(folder, target.name)) is not None:
                return folder, lock
    raise FileNotFoundError(f"expected to make a folder beside {target}, found it removed {MAX_ATTEMPTS} times")


def _locked_inside(folder: Path, name: str) -> int | None:
    """The open file that says that this process uses the folder; None if another has cleared the folder."""
    try:
        lock = os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(lock, os.fsencode(name))
    except FileNotFoundError:
        return None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        locked = _is_locked_by_us(lock)
    except OSError:
        locked = True  # a file system without locks
    with suppress(FileNotFoundError):
        if locked and os.path.samestat(os.fstat(lock), (folder / ALIVE).stat()):
            return lock
    os.close(lock)
    return None


def _is_locked_by_us(file: int) -> bool:
    """Lock an open file, until it is closed or the process ends; False if another has it. Raise OSError."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except PermissionError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prefix(target: Path) -> str:
    name = os.fsencode(target.name)
    short = target.name if len(name) <= MAX_NAME_BYTES else hashlib.sha256(name).hexdigest()
    return f".{short}.modelog-"
