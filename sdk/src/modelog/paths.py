"""The paths inside of an artifact: which of them can be files of one folder, on every system. Pure, in linear time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise, takewhile
from operator import eq
from typing import Literal
from unicodedata import category, normalize

NO_NAMES = {"", ".", ".."}
DRIVE = re.compile("[A-Za-z]:")
FORBIDDEN = re.compile(r'[<>:"|?*]')
TRAILING = re.compile(r"[. ](?:/|\Z)")
DEVICE = re.compile(
    r"(?:\A|/)(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9¹²³]) *(?:\.[^/]*)?(?:/|\Z)", re.IGNORECASE
)
"""Windows opens a device under these names, with any extension."""
SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variants of the character before; some systems pass over them when they compare names."""
INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]")
"""What Unicode calls ignorable, and Python printable."""
MAX_PATH_CHARS = 1000
MAX_PATH_BYTES = 1000
"""In UTF-8. macOS opens paths of up to 1024 bytes, with the folder that the artifact is in."""
MAX_NAME_UNITS = 255
"""Bytes of UTF-8 on Linux; 16-bit units on Windows, and on macOS after letters are decomposed."""
MAX_PROBLEMS = 10
"""Of paths, that are described: a report can have 9,000 of them."""

PathProblem = Literal["unsafe path", "repeated path"]


def path_problems(paths: Iterable[str]) -> Iterator[tuple[PathProblem, str]]:
    """Why `paths` cannot be the files of one folder on every system: the first MAX_PROBLEMS, each with its sentence.

    This is the rule for a new version. No system may change a name, refuse it, take two for the same, or show it as
    another.
    """
    return islice(_problems(paths, lambda path: _leads_elsewhere(path) or _not_portable(path), folded), MAX_PROBLEMS)


def registered_path_problems(paths: Iterable[str]) -> Iterator[tuple[PathProblem, str]]:
    """The same by the rule of older versions: a path does not lead out of the folder, and is no other's folder."""
    return islice(_problems(paths, _leads_elsewhere, str), MAX_PROBLEMS)


def folded(path: str) -> str:
    """The same text for paths that some system takes for the same: they differ in case or form of letters only."""
    if path.isascii():
        return path.lower()
    return normalize("NFD", normalize("NFD", SELECTORS.sub("", path)).upper().casefold())


def _problems(
    paths: Iterable[str], unsafe: Callable[[str], str | None], key: Callable[[str], str]
) -> Iterator[tuple[PathProblem, str]]:
    counted = Counter(iter(paths))
    collisions = _collisions([path for path in counted if len(path) <= MAX_PATH_CHARS], key)
    for path, times in counted.items():
        if reason := unsafe(path):
            yield (
                "unsafe path",
                f"expected a relative path inside the artifact, found {path[:60]!r}, {reason}: rename it",
            )
        if times > 1:
            yield "repeated path", f"expected every path once, found {path[:60]!r} {times} times: send it once"
        if path in collisions:
            yield "repeated path", collisions[path]


def _collisions(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, str]:
    """The paths that cannot be beside the others, each with its sentence."""
    # Sorted so, what is inside of a file or a folder follows it without a gap.
    ordered = sorted((key(path) + "/", path) for path in paths)
    found = {
        path: _alike(path, other)
        for (other_key, other), (path_key, path) in pairwise(ordered)
        if _differ_in_a_shared_folder(path, path_key, other, other_key)
    }
    file: tuple[str, str] | None = None
    for path_key, path in ordered:
        if file is None or not path_key.startswith(file[0]):
            file = path_key, path
        elif path_key == file[0]:
            found[path] = _alike(path, file[1])
        else:
            found[path] = f"expected a file or a folder, found both above {path[:60]!r}: rename either"
    return found


def _differ_in_a_shared_folder(path: str, key: str, other: str, other_key: str) -> bool:
    folder, other_folder = path.rpartition("/")[0], other.rpartition("/")[0]
    if folder == other_folder:
        return False
    shared = len(list(takewhile(bool, map(eq, key.split("/")[:-2], other_key.split("/")[:-2]))))
    return folder.split("/")[:shared] != other_folder.split("/")[:shared]


def _alike(path: str, other: str) -> str:
    path, other = path[:60], other[:60]
    # Without escapes, forms of the same letters look the same.
    shown = ascii if normalize("NFC", path) == normalize("NFC", other) else repr
    return (
        f"expected names that every system can tell apart, found {shown(path)} and {shown(other)}, which differ in "
        "case or in the form of letters only: rename either"
    )


def _leads_elsewhere(path: str) -> str | None:
    if not path:
        return "which is empty"
    # Before anything that reads all of it.
    names = path.split("/") if len(path) <= MAX_PATH_CHARS else []
    if not names or max(len(name.encode(errors="replace")) for name in names) > MAX_NAME_UNITS:
        return "which is above 1000 characters or has a name above 255 bytes"
    if path.startswith("/") or DRIVE.match(path):
        return "which is absolute"
    if "\\" in path or (not path.isprintable() and any(category(c) in ("Cc", "Cs") for c in path)):
        return "which has a backslash or a control character"
    if not NO_NAMES.isdisjoint(names):
        return "which has an empty name, . or .. in it"
    return None


def _not_portable(path: str) -> str | None:
    if not path.isprintable() and not all(c.isprintable() or category(c) == "Zs" for c in path):
        return "which has a character that is invisible, changes the direction of text, or is not assigned"
    if FORBIDDEN.search(path):
        return 'which has one of < > : " | ? * in it'
    if TRAILING.search(path):
        return "which has a name that ends with a dot or a space"
    if DEVICE.search(path):
        return "which has a name that is a device on Windows"
    if path.isascii():
        return None
    if INVISIBLE.search(path):
        return "which has a character that is invisible, changes the direction of text, or is not assigned"
    if len(path.encode()) > MAX_PATH_BYTES:
        return "which is above 1000 bytes"
    if any(len(normalize("NFD", name).encode("utf-16-le")) > 2 * MAX_NAME_UNITS for name in path.split("/")):
        return "which has a name above 255 characters when its letters are decomposed"
    return None
