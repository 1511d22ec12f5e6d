"""Postgres refuses to run as root, so root runs it as the user `nobody`, in a folder that `nobody` can reach."""

import hashlib
import os
import pwd
import tempfile
from pathlib import Path

from stack.terminal import StackError

Account = tuple[int, int]
COMMON_FOLDER = Path("/var/tmp")


def account_for_postgres() -> Account | None:
    """User and group to run Postgres as; None is the user of this process."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def reachable(path: Path) -> bool:
    """Whether every user can reach this path."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents) if folder.is_dir())


def reachable_home(home: Path) -> Path:
    """`home` if the user `nobody` can reach it, else a folder under /var/tmp that is named after it."""
    if reachable(home.parent):
        return home
    folder = Path(COMMON_FOLDER, f"modelog-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}")
    folder.mkdir(exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise StackError(f"{folder} belongs to another user: delete it, root's Postgres needs this folder.")
    folder.chmod(0o711)
    return folder / home.name


def temporary_folder() -> Path:
    """A fresh folder for servers whose data is deleted with them; the user `nobody` must be able to enter root's."""
    folder = Path(tempfile.mkdtemp(prefix="modelog-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    return folder
