"""What is looked for in bytes and text from outside before anything is done with them, each in linear time."""

from __future__ import annotations

from itertools import accumulate

from pydantic import ValidationError

MAX_LISTED_PROBLEMS = 5
MAX_BUILT_PROBLEMS = 1000
"""Problems of a value that are described in memory before the first are listed: a megabyte can have 100,000."""


class NotRead(bytes):
    """An empty value in place of records that were not read; `reason` is the sentence that says why."""

    reason: str

    def __new__(cls, reason: str) -> NotRead:
        value = super().__new__(cls)
        value.reason = reason
        return value


STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NO_BRACKETS = bytes(set(range(256)) - set(STEPS))


def has_nul(json: bytes) -> bool:
    r"""Whether JSON contains the character NUL, which Postgres refuses inside jsonb; `\\u0000` is text about it."""
    return rb"\u0000" in json and rb"\u0000" in json.replace(rb"\\", b"..")


def is_deeper(json: bytes, levels: int) -> bool:
    """Whether JSON has more arrays and objects inside each other than `levels`."""
    if json.count(b"[") + json.count(b"{") <= levels:
        return False
    outside_texts = b"".join(json.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    steps = map(STEPS.__getitem__, outside_texts.translate(None, NO_BRACKETS))
    return any(depth > levels for depth in accumulate(steps))


def printable(text: str) -> str:
    r"""The text with everything escaped that a terminal or a log would act on: `\x1b`, `\n`, `\u202e` …"""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def problems(error: ValidationError) -> str:
    """The first problems of a value, each with its place and what was found there, and how many more there are."""
    count = error.error_count()
    if count > MAX_BUILT_PROBLEMS:
        return f"{count} problems"
    found = error.errors(include_url=False, include_context=False)
    listed = "; ".join(
        f"{'.'.join(map(str, p['loc']))[:60] or 'the value'}: {p['msg']}, found {str(p['input'])[:60]!r}"
        f"{', give it a time zone' if p['type'] == 'timezone_aware' else ''}"
        for p in found[:MAX_LISTED_PROBLEMS]
    )
    return listed + (f" and {count - MAX_LISTED_PROBLEMS} more" if count > MAX_LISTED_PROBLEMS else "")
