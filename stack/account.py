"""Root and Postgres: Postgres refuses to run as root, so root runs it as nobody, at a place nobody can reach."""

import hashlib
import os
import pwd
import tempfile
from pathlib import Path

from stack.terminal import StackError

Account = tuple[int, int]
COMMON = Path("/var/tmp")


def account_for_postgres() -> Account | None:
    """User and group to run Postgres as; None is the present one."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def reachable(path: Path) -> bool:
    """Whether any user may walk to this path."""
    return all(one.stat().st_mode & 0o001 for one in (path, *path.parents) if one.is_dir())


def neutral(home: Path) -> Path:
    """Where nobody can reach what would be at `home`: there, or in a folder under /var/tmp that is named after it."""
    if reachable(home.parent):
        return home
    place = Path(COMMON, f"modelog-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}")
    place.mkdir(exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise StackError(f"{place} belongs to someone else: it has to go before root's Postgres can live there.")
    place.chmod(0o711)
    return place / home.name


def throwaway() -> Path:
    """A fresh folder for servers that leave nothing behind; only root's has to be walked through by nobody."""
    folder = Path(tempfile.mkdtemp(prefix="modelog-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    return folder
