"""A folder takes the place of another: in a single step where the system can, else in two that are undone."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from modelog._s3.staging import OLD

AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP = -100, 2, 2
UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
MAX_ATTEMPTS = 100


def swap_in(new: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Put the folder `new` in the place of `target`; what was there is then in the folder that `new` was in.

    `check` is called with what was there, when nobody finds it at its place any more; if it raises an error, all is put
    back. Processes that have opened files of it keep them.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            if _is_put_where_nothing_is(new, target):
                return
            if exchange(new, target):
                _keep_if(check, new, lambda: exchange(new, target))
                return
            if _is_replaced(new, target, check):
                return
        except FileNotFoundError:  # another process has moved what was there
            if not new.exists():
                raise
    raise OSError(errno.EBUSY, f"expected to replace {target}, found it changed {MAX_ATTEMPTS} times: try again")


def exchange(path: Path, other: Path) -> bool:
    """Exchange two names of a file system in a single step; False where the system cannot. Raise OSError."""
    if sys.platform not in ("linux", "darwin"):
        return False
    names, libc = (os.fsencode(path), os.fsencode(other)), ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "linux":
            failed = libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
        else:
            failed = libc.renamex_np(*names, RENAME_SWAP)
    except AttributeError:  # a C library without it
        return False
    if failed and (code := ctypes.get_errno()) not in UNKNOWN:
        raise OSError(code, os.strerror(code), str(path), None, str(other))
    return not failed


def _is_replaced(new: Path, target: Path, check: Callable[[Path], None]) -> bool:
    """Whether no other process has put a folder at the target between the two steps."""
    old = new.with_name(OLD)  # where the next download finds it, if this process is killed now
    target.rename(old)
    _keep_if(check, old, lambda: _put_back(old, target))
    try:
        new.rename(target)
    except OSError as error:
        if error.errno in TAKEN:
            shutil.rmtree(old)  # checked, and replaced by the other process
            return False
        _put_back(old, target)
        raise
    return True


def _put_back(old: Path, target: Path) -> None:
    try:
        old.rename(target)
    except OSError as error:
        kept = target.with_name(f"{target.name}-{old.parent.name[-8:]}")
        old.rename(kept)
        found = f"expected to leave {target} as it was, found it replaced: what it held is in {kept}"
        raise OSError(errno.EBUSY, found) from error


def _keep_if(check: Callable[[Path], None], old: Path, undo: Callable[[], object]) -> None:
    try:
        check(old)
    except BaseException:
        undo()
        raise


def _is_put_where_nothing_is(new: Path, target: Path) -> bool:
    """Whether the target was not there, or was an empty folder."""
    if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        return False
    try:
        new.rename(target)
    except OSError as error:
        if error.errno not in (*TAKEN, errno.EACCES):  # Windows replaces no empty folder
            raise
        return False
    return True
