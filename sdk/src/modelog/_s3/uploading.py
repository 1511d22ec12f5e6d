"""Files become blobs; bytes that the store has are not sent again."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modelog._s3.digests import hashed
from modelog._s3.finding import Local, changed, find
from modelog._s3.folder import opened_file, shown
from modelog.manifest import blob_key
from modelog.values import Artifact, File

if TYPE_CHECKING:
    from modelog.store import Store

logger = logging.getLogger("modelog")


def upload(
    store: Store, paths: Path | str | Mapping[str, Path | str], follow_links: bool, max_listed_bytes: int
) -> Artifact:
    """Put files into the store; see `Store.upload`."""
    found = find(paths, follow_links, max_listed_bytes)
    if line := found.not_kept():
        logger.warning("%s", line)
    files = tuple(_uploaded(store, inside, local) for inside, local in sorted(found.files.items()))
    try:
        others = changed(found, find(paths, follow_links, max_listed_bytes))
    except ValueError as error:
        raise ValueError(f"expected the files to stay as they are, found them changed: {error}") from error
    if others:
        raise _changed(found.files[others[0]].path if others[0] in found.files else others[0])
    return Artifact(files=files)


def _uploaded(store: Store, inside: str, local: Local) -> File:
    try:
        data = opened_file(local.path)
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        raise _changed(local.path) from error
    with data:
        if _is_changed(local, os.fstat(data.fileno())):
            raise _changed(local.path)
        sha256 = hashed(data, hashlib.sha256()).hexdigest()
        store.keep(blob_key(sha256), data, local.size)
        if _is_changed(local, os.fstat(data.fileno())):
            raise _changed(local.path)
    return File(path=inside, size=local.size, sha256=sha256)


def _is_changed(local: Local, now: os.stat_result) -> bool:
    return (local.size, local.inode, local.mtime_ns) != (now.st_size, now.st_ino, now.st_mtime_ns)


def _changed(path: Path | str) -> ValueError:
    return ValueError(f"expected {shown(path)} to stay as it is, found it changed: upload it when it is written")
