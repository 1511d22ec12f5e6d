"""Facts as JSON that jsonb gives back as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.deciding.answers import as_stored
from tests.examples import registered


@pytest.mark.parametrize("value", [1e16, -1e16, 1.5e300, 1.7976931348623157e308, 123456789012345680.0])
def test_a_large_float_is_written_with_a_fraction(value: float) -> None:
    text = as_stored(registered(1, parameters={"a": [value], "b": {"c": value}}))
    stored: Any = json.loads(text)["parameters"]
    assert stored == {"a": [value], "b": {"c": value}}
    assert "e+" not in text
    assert text.count(".0") >= 2
    assert type(stored["a"][0]) is float


@pytest.mark.parametrize("text", ["1e+300", '"1e+16"', '\\"1e+16,', "a\\", '\\\\"[1e+16]'])
def test_a_text_that_looks_like_a_number_stays_as_it_is(text: str) -> None:
    fact = registered(1, parameters={text: [text, 1e16]})
    assert json.loads(as_stored(fact)) == json.loads(fact.model_dump_json())


def test_integers_and_small_numbers_are_written_as_they_are() -> None:
    fact = registered(1, parameters={"a": [10**30, 5e-324, 1e-7, 1.0, 2**53 + 1]})
    assert as_stored(fact) == fact.model_dump_json()
