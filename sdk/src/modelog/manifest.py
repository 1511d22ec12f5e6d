"""The manifest of an artifact: its files, the keys that they are stored under, and their common digest. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from modelog.envelope import MAX_EVENT_BYTES
from modelog.values import File, Items, Value

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_MANIFEST_BYTES = MAX_EVENT_BYTES
"""The most bytes of the manifest of a new version, about 9,500 files: what a report can name."""
MAX_ARTIFACT_BYTES = 1024**4
"""The most bytes of the files of a new version."""
ENTRY_BYTES = 97
"""The least bytes of a file in a manifest, besides its path."""


class Manifest(Value):
    """The files of an artifact, as they are stored."""

    files: Items[File]


def blob_key(sha256: str) -> str:
    """The key of the blob whose bytes have this sha256, in hex."""
    return f"blobs/sha256/{sha256}"


def manifest_key(digest: str) -> str:
    """The key of the manifest `sha256:<hex>`; raise ValueError if that is no digest."""
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"expected a manifest's digest, sha256: and 64 hex digits, found {digest[:100]!r}")
    return "manifests/sha256/" + digest.removeprefix("sha256:")


def manifest(files: Iterable[File]) -> tuple[str, bytes]:
    """The digest `sha256:<hex>` and the bytes of the manifest of `files`.

    The bytes are canonical JSON (RFC 8785), `{"files":[{"path":…,"sha256":…,"size":…},…]}` in the order of the paths'
    code points, so the same files always have the same manifest.
    """
    listed = sorted(({"path": f.path, "sha256": f.sha256, "size": f.size} for f in files), key=lambda f: str(f["path"]))
    content = json.dumps({"files": listed}, ensure_ascii=False, separators=(",", ":")).encode()
    return "sha256:" + hashlib.sha256(content).hexdigest(), content


def manifest_bytes(paths: Iterable[str]) -> int:
    """The least bytes of a manifest of files with these paths."""
    return sum(len(path.encode("utf-8", "replace")) + ENTRY_BYTES for path in paths)
