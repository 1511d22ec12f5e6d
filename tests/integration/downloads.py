"""What the tests of downloads share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from modelog.store import Store
from urllib3 import BaseHTTPResponse

Version = Callable[..., str]
"""The manifest of a version with these files, `model__weights=b"…"`, that is in the store."""


def at_the_first_blob(store: Store, monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Call `do` when the first blob of a download is read."""
    reading, left = store.reading, [do]

    @contextmanager
    def reading_after(key: str, bucket: str | None = None) -> Iterator[BaseHTTPResponse]:
        if key.startswith("blobs/") and left:
            left.pop()()
        with reading(key, bucket) as response:
            yield response

    monkeypatch.setattr(store, "reading", reading_after)


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def refused(sentence: str) -> AbstractContextManager[object]:
    return pytest.raises(ValueError, match=sentence)
