"""What an artifact may be, checked before its first byte is requested."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from modelog.envelope import MAX_EVENT_BYTES
from modelog.manifest import path_problems
from modelog.values import File

from services.ingestion.pinned import Refused
from shared.artifacts.store import MAX_FAULTS

MAX_MANIFEST_BYTES = MAX_EVENT_BYTES
"""The most bytes of a manifest, about 9,500 files: what a report can name, a folder or a manifest may have."""
ENTRY_BYTES = 97
"""The least bytes of a file in a manifest, besides its path."""
MAX_ARTIFACT_BYTES = 1024**4
"""The most bytes of an artifact: they are read once, in about half an hour."""
MAX_COPY_BYTES = 32 * 1024**3
"""The most bytes of an object that is copied from outside; on disk (TMPDIR) is one for each of LARGE_THREADS."""


def manifest_bytes(paths: Collection[str]) -> int:
    """The least bytes of a manifest of files with these paths."""
    return sum(len(path.encode("utf-8", "replace")) + ENTRY_BYTES for path in paths)


def path_refusals(paths: Collection[str]) -> list[Refused]:
    """The first faults of the paths."""
    return [Refused(reason, sentence) for reason, sentence in islice(path_problems(paths), MAX_FAULTS)]


def check(files: Collection[File]) -> list[Refused]:
    """The faults of files that a report or a manifest names; raise Refused where none of them is to be looked at."""
    if not files:
        raise Refused("no files", "expected at least one file, found none: upload what training wrote")
    if (found := manifest_bytes([file.path for file in files])) > MAX_MANIFEST_BYTES:
        raise too_many(f"{len(files)} files", found)
    if sum(file.size for file in files) > MAX_ARTIFACT_BYTES:
        raise Refused(
            "too large",
            f"expected files of at most {MAX_ARTIFACT_BYTES} bytes in all, found more: register its parts as models",
        )
    return path_refusals([file.path for file in files])


def too_many(found: str, size: int) -> Refused:
    return Refused(
        "too large",
        f"expected files whose paths and digests are at most {MAX_MANIFEST_BYTES} bytes, found {found} with {size}: "
        "pack them into fewer files",
    )
