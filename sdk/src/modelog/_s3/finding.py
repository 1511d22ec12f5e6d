"""What an upload reads: the files that are named, and what of them a version does not keep."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelog._s3.folder import MAX_ENTRIES, shown
from modelog.manifest import MAX_ARTIFACT_BYTES, manifest_bytes
from modelog.paths import path_problems

MAX_NAMED = 3
"""Of the files and folders that are not kept as they are, that are named in a line."""


@dataclass(frozen=True)
class Local:
    """A regular file on this machine: where it is, and what shows that it has changed."""

    path: Path
    size: int
    inode: int
    mtime_ns: int


@dataclass
class Found:
    """The files by their path inside the artifact, and the paths that are not kept as they are."""

    max_listed_bytes: int
    files: dict[str, Local] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    executable: list[str] = field(default_factory=list)
    listed_bytes: int = 0
    size: int = 0

    def add(self, inside: str, path: Path) -> None:
        """Add a file; raise ValueError if it is none, or if the files are more than a version can have."""
        status = _status(path, "expected a file at {}, found none: name a file")
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
            raise ValueError(f"expected a file at {shown(path)}, found {kind}: name a file")
        self.files[inside] = Local(path, status.st_size, status.st_ino, status.st_mtime_ns)
        if os.name == "posix" and status.st_mode & 0o111:
            self.executable.append(inside)
        self.size += status.st_size
        self.listed_bytes += manifest_bytes([inside]) + len(str(status.st_size)) - 1
        if self.listed_bytes > self.max_listed_bytes:
            raise ValueError(
                f"expected files whose paths and digests are at most {self.max_listed_bytes} bytes, found more with "
                f"file {len(self.files)}, {shown(path)}: pack them into fewer files"
            )
        if self.size > MAX_ARTIFACT_BYTES:
            raise ValueError(
                f"expected files of at most {MAX_ARTIFACT_BYTES} bytes in all, found more with {shown(path)}: register "
                "its parts as models"
            )

    def not_kept(self) -> str | None:
        """What a version does not keep of these files, in a line."""
        kinds = {
            "empty folders": self.empty,
            "links, which become copies": self.links,
            "executable bits": self.executable,
        }
        parts = [f"{kind} ({_first(paths)})" for kind, paths in kinds.items() if paths]
        return f"a version has paths and bytes alone, and does not keep {', '.join(parts)}" if parts else None


def find(paths: Path | str | Mapping[str, Path | str], follow_links: bool, max_listed_bytes: int) -> Found:
    """The files of an upload; raise ValueError if there are none, or if they cannot be the files of a version."""
    found = Found(max_listed_bytes)
    if isinstance(paths, Mapping):
        for inside, path in paths.items():
            found.add(inside, _named(path).resolve())
    elif (root := _named(paths)).is_dir():
        _find_below(root, follow_links, found)
    else:
        found.add(root.name, root.resolve())
    if not found.files:
        raise ValueError(f"expected files to upload, found none in {str(paths)!r}: upload what training wrote")
    if unsafe := [sentence for _, sentence in path_problems(found.files)]:
        raise ValueError("; ".join(unsafe))
    return found


def _named(path: Path | str) -> Path:
    # Path("") is Path("."), so neither is taken for the working folder; the text "." is nobody's unset variable.
    if path == "" or (not isinstance(path, str) and path == Path()):
        raise ValueError(
            "expected a file or a folder, found an empty path: name a file or a folder, the working folder as '.' or "
            "Path.cwd()"
        )
    if (root := Path(path).resolve()) == Path(root.anchor):
        raise ValueError(
            f"expected a file or a folder, found the root of the file system, {shown(path)}: name the folder"
        )
    return Path(path)


def _find_below(root: Path, follow_links: bool, found: Found) -> None:
    top = root.resolve()
    waiting: list[tuple[Path, str, tuple[Path, ...]]] = [(top, "", ())]
    folders = 0
    while waiting:
        folder, prefix, above = waiting.pop()
        folders += 1
        if folder in above or folders > MAX_ENTRIES:
            raise ValueError(
                f"expected the files of a version below {shown(root)}, found a link to a folder above itself, or more "
                f"than {MAX_ENTRIES} folders, at {prefix[:60]!r}: upload less"
            )
        paths = sorted(folder.iterdir())
        if not paths and prefix:
            found.empty.append(prefix)
        for path in paths:
            inside = f"{prefix}/{path.name}" if prefix else path.name
            if path.is_symlink():
                found.links.append(inside)
                local = _followed(path, inside, root, follow_links)
            else:
                local = path
            if local.is_dir():
                waiting.append((local, inside, (*above, folder)))
            else:
                found.add(inside, local)


def _followed(link: Path, inside: str, root: Path, follow_links: bool) -> Path:
    _status(link, "expected files below a folder, found {}, which links to nothing: remove it", follow=True)
    target = link.resolve()
    if not follow_links and (target.is_dir() or not target.is_relative_to(root.resolve())):
        raise ValueError(
            f"expected files inside {shown(root)}, found {shown(root / inside)}, which links elsewhere: copy it there, "
            "or upload with follow_links=True"
        )
    return target


def _status(path: Path, sentence: str, follow: bool = False) -> os.stat_result:
    try:
        return path.stat(follow_symlinks=follow)
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        raise ValueError(sentence.format(shown(path))) from error


def changed(before: Found, after: Found) -> list[str]:
    """The paths of files that were added, removed or written between two looks."""
    return sorted(path for path in before.files.keys() | after.files if before.files.get(path) != after.files.get(path))


def _first(paths: list[str]) -> str:
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return ", ".join(repr(path[:60]) for path in sorted(paths)[:MAX_NAMED]) + more
