"""What is looked for in bytes from outside, compared with what a parser finds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.untrusted import has_nul, is_deeper, printable

from tests.sdk.strategies import PLAIN

BRACKETS = st.text(st.sampled_from('[]{}"\\\n:, a\0'), max_size=12)
VALUES = st.recursive(
    PLAIN | BRACKETS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(BRACKETS, inner, max_size=3),
    max_leaves=20,
)


def depth(value: Any) -> int:
    """How many lists and objects are inside each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(VALUES, st.sampled_from([None, 2]))
def test_the_depth_is_that_of_the_parsed_value_whatever_is_in_its_texts(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    assert [is_deeper(text, levels) for levels in range(10)] == [depth(value) > levels for levels in range(10)]


@given(VALUES)
def test_nul_is_found_where_a_text_contains_it(value: Any) -> None:
    assert has_nul(json.dumps(value).encode()) == ("\0" in "".join(texts(value)))


def texts(value: Any) -> list[str]:
    """Every text in a value."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("junk", [b"[" * 1_000_000, b"]" * 10 + b"[" * 65, b'{"a":' * 300_000])
def test_what_never_ends_is_too_deep(junk: bytes) -> None:
    assert is_deeper(junk, 50)


@pytest.mark.parametrize("junk", [b"]" * 1_000_000, b'"' + b"[" * 1_000_000, b'"\\"' * 300_000, b"[]" * 400_000])
def test_a_megabyte_that_is_not_deep_is_not_too_deep(junk: bytes) -> None:
    assert not is_deeper(junk, 2)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("größe 'x' \\", "größe 'x' \\"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\r", "a\\nb\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b2J\u2028", "\\x9b2J\\u2028"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, escaped: str) -> None:
    assert printable(text) == escaped
    assert printable(text).isprintable()
