"""A version becomes a folder: made beside its place, every byte checked, and put there as a whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from unicodedata import normalize

from modelog._s3.digests import CHUNK_BYTES
from modelog._s3.errors import Damaged
from modelog._s3.folder import NewFolder, contents, shown
from modelog._s3.former import Former
from modelog._s3.staging import clear, staging
from modelog._s3.swapping import swap_in
from modelog.manifest import MAX_ARTIFACT_BYTES, blob_key
from modelog.paths import path_problems
from modelog.values import File

if TYPE_CHECKING:
    from modelog.store import Store

BLOCK_BYTES = 4096
"""What a file takes on a disk is a multiple of it."""
NO_NAME = (errno.EEXIST, errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
"""Errors of a name that the system does not have, or takes for another of the version, or that became a link."""
NO_PLACE = (errno.EACCES, errno.EBUSY, errno.EPERM, errno.EROFS, errno.EXDEV)


def download(store: Store, manifest: str, into: Path, max_bytes: int | None = None) -> list[Path]:
    """Make `into` the folder of exactly the files of a manifest; see `Store.download`."""
    files = store.files(manifest)
    refuse_above(MAX_ARTIFACT_BYTES if max_bytes is None else max_bytes, files)
    target, former = into.resolve(), Former(store, files, into)
    try:
        if os.path.lexists(target):
            refuse_other_places(target, into)
            if former.is_the_version(target):
                clear(target.parent)
                return [into / file.path for file in files]
        with staging(target) as folder:
            refuse_full_disk(folder, files)
            write(store, files, new := folder / "new")
            with suppress(FileNotFoundError):
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            swap_in(new, target, former.check)
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        raise ValueError(
            f"expected to put a folder in the place of {shown(into)}, found {error.strerror}: name a folder, not "
            "mounted, inside of another that this user may change"
        ) from error
    return [into / file.path for file in files]


def refuse_above(max_bytes: int, files: Collection[File]) -> None:
    if (size := sum(file.size for file in files)) > max_bytes:
        raise ValueError(
            f"expected a version of at most {max_bytes} bytes, found {size}: raise max_bytes to download it"
        )


def refuse_other_places(target: Path, into: Path) -> None:
    """Raise ValueError if no folder can be put in the place of the target, whatever it holds."""
    with suppress(FileNotFoundError):  # another download replaces it
        if not stat.S_ISDIR(target.stat().st_mode):
            raise ValueError(
                f"expected a folder at {shown(into)}, found a file: name another folder, or remove the file"
            )
    if os.path.ismount(target):
        raise ValueError(
            f"expected a folder, found that a file system is mounted at {shown(into)}: name a folder inside of it"
        )
    with suppress(FileNotFoundError):
        if Path.cwd().is_relative_to(target):
            raise ValueError(
                f"expected a folder for the version alone, found the working folder in {shown(into)}: name a new "
                "folder inside of it"
            )


def refuse_full_disk(folder: Path, files: Collection[File]) -> None:
    needed = sum(-(-file.size // BLOCK_BYTES) * BLOCK_BYTES for file in files)
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OSError(
            errno.ENOSPC,
            f"expected {needed} bytes free in {shown(folder.parent)} for the version, found {free}: free space there, "
            "or name a folder on another disk",
        )


def write(store: Store, files: Collection[File], new: Path) -> None:
    """Make a folder with the files, their bytes checked; raise ValueError if this system cannot hold their names."""
    if os.name == "nt" and (problems := [sentence for _, sentence in path_problems(file.path for file in files)]):
        raise ValueError(f"the version has files that Windows cannot hold: {'; '.join(problems)}")
    with closing(NewFolder(new)) as folder:
        for file in files:
            try:
                target = folder.create(file.path)
            except OSError as error:
                if error.errno not in NO_NAME:
                    raise
                raise ValueError(_not_held(file.path, error.strerror)) from error
            with target:
                _fetch(store, file, target)
    # macOS lists names in another form of their letters.
    held = sorted(normalize("NFC", path) for path in contents(new).files)
    if held != (expected := sorted(normalize("NFC", file.path) for file in files)):
        changed = set(expected).difference(held) or expected
        raise ValueError(_not_held(min(changed), "it has another name in the folder"))


def _fetch(store: Store, file: File, target: BinaryIO) -> None:
    sha256, size = hashlib.sha256(), 0
    with store.reading(blob_key(file.sha256)) as response:
        for chunk in response.stream(CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if size > file.size:
                break
            sha256.update(chunk)
            target.write(chunk)
    if (size, sha256.hexdigest()) != (file.size, file.sha256):
        raise Damaged(
            f"expected {file.path} with {file.size} bytes and sha256 {file.sha256}, "
            f"found other bytes in the store: upload and register it again"
        )


def _not_held(path: str, found: str | None) -> str:
    return (
        f"expected to write {path[:60]!r}, found that this system cannot, or takes it for another file of the version "
        f"({found}): download the version on a system that can, and register it with other names"
    )
