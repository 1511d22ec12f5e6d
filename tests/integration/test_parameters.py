"""What a sender gives as parameters comes back from the log as it was, or is refused by the sender's SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from modelog.envelope import decode, encode
from modelog.events import ModelRegistered, ModelTrained, RetrainingRequested
from modelog.values import Artifact
from pydantic import ValidationError

from shared.deciding.answers import as_stored
from shared.log.entries import read_fact
from stack import Addresses
from tests.examples import registered, requested

TEXT = st.text(st.characters(), max_size=8)
NUMBERS = st.integers(-(2**80), 2**80) | st.floats() | st.sampled_from([1e16, 1e300, -0.0, 5e-324, 2**53 + 1, 10**400])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=9,
)


@dataclass
class Jsonb:
    """A connection to Postgres in a loop of its own."""

    loop: asyncio.AbstractEventLoop
    connection: asyncpg.Connection

    def stored(self, text: str) -> str:
        """The text as a column of the type jsonb gives it back."""
        work = self.connection.fetchval("select $1::jsonb::text", text)
        return str(self.loop.run_until_complete(work))


@pytest.fixture(scope="module")
def jsonb(stack: Addresses) -> Iterator[Jsonb]:
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(stack.postgres))
    yield Jsonb(loop, connection)
    loop.run_until_complete(connection.close())
    loop.close()


def typed(value: Any) -> Any:
    """The value with its types, which `==` passes over: 1 is 1.0 and True."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), repr(value))


def sent(parameters: dict[str, Any]) -> ModelTrained | None:
    """The report as a service reads it; None if its sender was refused."""
    try:
        report = ModelTrained(model="fraud", run="r", artifact=Artifact(), parameters=parameters)
        event = decode(*encode(report, source="ci"), strict=True).event
    except ValidationError:
        return None
    assert isinstance(event, ModelTrained)
    return event


@given(st.dictionaries(TEXT.filter(bool), VALUES, max_size=4))
@example({"large": 1e16, "larger": [1.7976931348623157e308], "text": '"1e+16', "whole": 10**400})
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parameters_come_back_with_their_types_or_are_refused(jsonb: Jsonb, parameters: dict[str, Any]) -> None:
    report = sent(parameters)
    if report is None:
        return
    known = read_fact("model.registered", jsonb.stored(as_stored(registered(1, parameters=report.parameters))))
    assert isinstance(known, ModelRegistered)
    request = requested(1, parameters=known.parameters)
    published = decode(*encode(read_fact(request.type, jsonb.stored(as_stored(request))), source="modelog")).event
    assert isinstance(published, RetrainingRequested)
    assert typed(published.parameters) == typed(parameters)


@pytest.mark.parametrize(
    "parameters", [{"a": -0.0}, {"a": float("nan")}, {"a": "\0"}, {"\ud800": 1}, {"a": ["\udfff"]}]
)
def test_what_would_not_come_back_is_refused(parameters: dict[str, Any]) -> None:
    assert sent(parameters) is None


def test_an_object_has_no_order(jsonb: Jsonb) -> None:
    """Where order counts, a list of pairs has it."""
    given = {"longer": 1, "b": [["z", 1], ["a", 2]]}
    stored = json.loads(jsonb.stored(as_stored(registered(1, parameters=given))))["parameters"]
    assert (stored, list(stored)) == (given, ["b", "longer"])
