"""The manifest of an artifact: its files, the keys that they are stored under, and their common digest. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from modelog.values import File, Items, Value

NO_NAMES = {"", ".", ".."}
DRIVE = re.compile("[A-Za-z]:")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_PATH_CHARS = 1000
MAX_PROBLEMS = 10
"""Of paths, that are described: a report can have 9,000 of them."""

PathProblem = Literal["unsafe path", "repeated path"]


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


def path_problems(paths: Iterable[str]) -> Iterator[tuple[PathProblem, str]]:
    """Why `paths` cannot be the files of one folder on every system: the first MAX_PROBLEMS, each with its sentence."""
    return islice(_path_problems(paths), MAX_PROBLEMS)


def _path_problems(paths: Iterable[str]) -> Iterator[tuple[PathProblem, str]]:
    counted = Counter(iter(paths))
    inside = _inside_of_a_file(path for path in counted if len(path) <= MAX_PATH_CHARS)
    for path, times in counted.items():
        if reason := _unsafe(path):
            yield (
                "unsafe path",
                (f"expected a relative path inside the artifact, found {path[:60]!r}, {reason}: rename it"),
            )
        if times > 1:
            yield "repeated path", f"expected every path once, found {path[:60]!r} {times} times: send it once"
        if path in inside:
            yield "repeated path", f"expected a file or a folder, found both above {path[:60]!r}: rename one"


def _inside_of_a_file(paths: Iterable[str]) -> set[str]:
    """The paths that have another of them as their folder."""
    found, file = set(), None
    for folder in sorted(path + "/" for path in paths):  # what is inside of a file follows it without a gap
        if file is not None and folder.startswith(file):
            found.add(folder[:-1])
        else:
            file = folder
    return found


def _unsafe(path: str) -> str | None:
    if not path:
        return "which is empty"
    # Before anything that reads all of it.
    names = path.split("/") if len(path) <= MAX_PATH_CHARS else []
    if not names or any(len(name) > 63 and len(name.encode("utf-8", "replace")) > 255 for name in names):
        return "which is above 1000 characters or has a name above 255 bytes"
    if path.startswith("/") or DRIVE.match(path):
        return "which is absolute"
    if "\\" in path or (not path.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in path)):
        return "which has a backslash or a control character"
    if not NO_NAMES.isdisjoint(names):
        return "which has an empty name, . or .. in it"
    return None
