"""What is accepted can be written and read back on models of three file systems, written from their documentation."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import category, normalize

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from modelog.paths import path_problems


class System:
    """Folders that compare names by a key; `Refused` where a name cannot be made."""

    class Refused(Exception):
        pass

    def __init__(self) -> None:
        self.root: Folder = {}

    def key(self, name: str) -> str:
        return name

    def held(self, name: str) -> str:
        """The name that a listing gives back."""
        return name

    def write_all(self, paths: list[str]) -> None:
        for path in paths:
            self.write(path)

    def write(self, path: str) -> None:
        *folders, name = path.split("/")
        folder = self.root
        for part in folders:
            _, below = folder.setdefault(self.key(part), (self.held(part), {}))
            if below is None:
                raise self.Refused("a file is in the place of the folder")
            folder = below
        if self.key(name) in folder:
            raise self.Refused("another is in the place of the file")
        folder[self.key(name)] = (self.held(name), None)

    def listed(self, folder: Folder | None = None, above: str = "") -> Iterator[str]:
        for name, below in (self.root if folder is None else folder).values():
            if below is None:
                yield above + name
            else:
                yield from self.listed(below, f"{above}{name}/")


Folder = dict[str, "tuple[str, Folder | None]"]


DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in "123456789¹²³")}


class Windows(System):
    def key(self, name: str) -> str:
        return "".join(c.upper() if len(c.upper()) == 1 else c for c in self.held(name))

    def held(self, name: str) -> str:
        held = name.rstrip(". ")
        if not held or held.partition(".")[0].rstrip().upper() in DEVICES or set(name) & set('<>:"|?*\\'):
            raise self.Refused("Windows has no such name")
        return held


class MacOS(System):
    def key(self, name: str) -> str:
        return normalize("NFD", normalize("NFD", name).casefold())

    def held(self, name: str) -> str:
        held = normalize("NFD", name)
        if len(held.encode("utf-16-le")) > 510 or any(category(c) == "Cn" for c in held):
            raise self.Refused("macOS has no such name")
        return held


class LinuxWithoutCase(System):
    """ext4 with the casefold feature: ignorable characters are passed over."""

    def key(self, name: str) -> str:
        kept = "".join(c for c in name if category(c) != "Cf" and not 0xFE00 <= ord(c) <= 0xFE0F)
        return normalize("NFD", normalize("NFD", kept).casefold())


PARTS = ["a", "A", "b", "ß", "SS", "ss", "\u1e9e", "é", "e\u0301", "É", "\u0131", "I", "i", "İ", "K", "k", "\u212a"]
PARTS += ["s", "\u017f", "ǆ", "ǅ", "\u0345", "ǖ" * 50]
PARTS += [".", " ", "CON", "con", "nul", "aux.", "LPT¹", "com1", ":", "?", "\u200d", "\ufe0f", "\u202e"]
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=2).map("".join) | st.text(min_size=1, max_size=2)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=5)


@settings(max_examples=100)
@given(PATHS)
def test_accepted_paths_are_written_and_read_back_one_to_one(paths: list[str]) -> None:
    assume(not list(path_problems(paths)))
    for system in (System(), Windows(), MacOS(), LinuxWithoutCase()):
        system.write_all(paths)
        listed = [normalize("NFC", path) for path in system.listed()]
        assert sorted(listed) == sorted(normalize("NFC", path) for path in paths)


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        (Windows, ["CON.txt"]),
        (Windows, ["a", "A"]),
        (Windows, ["a.", "a"]),
        (MacOS, ["é", "e\u0301"]),
        (MacOS, ["ǖ" * 100]),
        (LinuxWithoutCase, ["❤", "❤\ufe0f"]),
    ],
)
def test_the_models_refuse_what_their_systems_refuse(kind: type[System], paths: list[str]) -> None:
    with pytest.raises(System.Refused):
        kind().write_all(paths)
