"""A memory of what was lately found in the store as promised."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable

from modelog.values import File

MAX_SEEN = 10_000
NEVER = (-math.inf, None)


class RecentlySeen:
    """What was asked of a bucket and found as promised within the last `seconds`, the oldest first.

    A question is everything that its answer depends on, `("blob", sha256, size)`: an answer counts for no other.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[Hashable, tuple[float, object]] = {}

    def __contains__(self, question: Hashable) -> bool:
        return self.get(question) is not None

    def get(self, question: Hashable) -> object | None:
        """The answer, None if there was none within the time."""
        at, answer = self._seen.get(question, NEVER)
        return answer if at > time.monotonic() - self._seconds else None

    def answered_at(self, *questions: Hashable) -> float:
        """When the last of these questions was answered, by time.monotonic; minus infinity if none was."""
        return max(self._seen.get(question, NEVER)[0] for question in questions)

    def add(self, question: Hashable, answer: object = True, at: float | None = None) -> None:
        """The answer is known since `at`, by default now."""
        self._seen.pop(question, None)
        self._seen[question] = time.monotonic() if at is None else at, answer
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def clear(self) -> None:
        self._seen.clear()


def blob_question(file: File) -> Hashable:
    """Whether the bytes of a file were read and have its size and digest; its path says nothing about them."""
    return "blob", file.sha256, file.size


def manifest_question(digest: str) -> Hashable:
    """Whether the manifest of this digest is in the store."""
    return "manifest", digest
