"""What a decision has to know of a version's bytes, and how it asks for it: a decision reaches no store itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.domain.sentences import MAX_SENTENCES, join_limited

BytesReason = Literal["missing object", "size differs", "digest differs", "unreadable object"]
"""Why bytes are not as promised."""


@dataclass(frozen=True)
class LookFirst:
    """In place of facts: look at the bytes of this manifest, and decide the command again with what was seen."""

    manifest: str


@dataclass(frozen=True)
class BytesProblem:
    """An object that is not as promised, and what to do, in a sentence."""

    reason: BytesReason
    sentence: str


@dataclass(frozen=True)
class BytesSeen:
    """What was seen of the bytes of a manifest: `looked_at` of its `blobs`; more than 1,000 are not looked at.

    Without problems, and all looked at, the manifest and every blob of it are in the store with their sizes.
    """

    manifest: str
    problems: tuple[BytesProblem, ...] = ()
    looked_at: int = 0
    blobs: int = 0

    @property
    def counted(self) -> str:
        """Which blobs were looked at: `every blob`, or `1000 of 1500 blobs`."""
        return "every blob" if self.looked_at == self.blobs else f"{self.looked_at} of {self.blobs} blobs"

    @property
    def reasons(self) -> tuple[BytesReason, ...]:
        """The reason of each problem, once."""
        return tuple(dict.fromkeys(problem.reason for problem in self.problems))

    @property
    def sentence(self) -> str:
        """The first problems, and how many blobs were looked at where that was not every blob."""
        sentences = [problem.sentence for problem in self.problems]
        if self.looked_at != self.blobs:
            sentences[MAX_SENTENCES - 1 :] = [f"{self.counted} were looked at"]
        return join_limited(sentences)
