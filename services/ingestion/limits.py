"""What an artifact may be, checked before its first byte is requested."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from modelog.manifest import MAX_ARTIFACT_BYTES, MAX_MANIFEST_BYTES, manifest_bytes
from modelog.paths import path_problems
from modelog.values import File

from services.ingestion.pinned import Refused
from shared.artifacts.store import MAX_FAULTS

__all__ = [
    "MAX_ARTIFACT_BYTES",
    "MAX_COPY_BYTES",
    "MAX_MANIFEST_BYTES",
    "check",
    "manifest_bytes",
    "path_refusals",
    "too_many",
]

MAX_COPY_BYTES = 32 * 1024**3
"""The most bytes of an object that is copied from outside; on disk (TMPDIR) is one for each of LARGE_THREADS."""


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
