"""The result of pinning an artifact: pinned, or the reasons why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelog.events import RegistrationRefusal
from modelog.values import File

from shared.domain.sentences import MAX_SENTENCES, join_limited

HEAD_BYTES = 512
"""The first bytes of each file that are kept, to find its format."""


@dataclass(frozen=True)
class Pinned:
    """An artifact whose bytes are in the store and were read: `size` in bytes, `format` as its first bytes show it."""

    manifest: str
    uri: str
    size: int
    format: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Unpinnable:
    """Why an artifact cannot be pinned, however often it is tried."""

    reasons: tuple[RegistrationRefusal, ...]
    sentence: str


class Refused(Exception):
    """A reason why an artifact cannot be pinned."""

    def __init__(self, reason: RegistrationRefusal, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True)
class ReadFile:
    """A file whose bytes were read, and their beginning; the store changes `etag` when the bytes are replaced."""

    file: File
    head: bytes
    etag: str = ""


def unpinnable(refusals: Sequence[Refused], unseen: int = 0) -> Unpinnable:
    """Every reason once, and the first sentences; `unseen` files were not looked at after so many faults."""
    reasons = tuple(dict.fromkeys(refused.reason for refused in refusals))
    sentences = [refused.sentence for refused in refusals]
    if unseen:
        sentences[MAX_SENTENCES - 1 :] = [f"{unseen} files were not looked at"]
    return Unpinnable(reasons, join_limited(sentences))
