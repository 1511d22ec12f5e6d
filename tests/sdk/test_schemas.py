"""The committed schemas are generated, describe the examples, and fields were only added to them."""

import json
from pathlib import Path
from typing import Any

import pytest
from modelog.envelope import SCHEMA_VERSION
from modelog.events import BY_TYPE, EVENTS, Event, Fact
from modelog.schemas import schema

from tests.sdk.additive import broken, fields, whole
from tests.sdk.files import GOLDEN, PUBLISHED, SCHEMAS

jsonschema = pytest.importorskip("jsonschema")
NEW_VALUES = {"drift.recorded.v1": ["old readers refuse score as string", "old readers refuse threshold as string"]}
"""What old readers pass over all the same: a score that is not finite. Before, there was no fact of such a report."""

each = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@each
def test_the_committed_schema_is_generated(event: type[Event]) -> None:
    path = SCHEMAS / f"{event.type}.json"
    assert path.exists(), "run `make generate`"
    assert read(path) == schema(event), "run `make generate`"


def test_every_committed_schema_is_of_an_event() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(BY_TYPE)


@each
def test_a_schema_is_a_schema(event: type[Event]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(event))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_an_example_has_its_schema(path: Path) -> None:
    jsonschema.Draft202012Validator(schema(BY_TYPE[path.stem.rpartition(".")[0]])).validate(read(path))


@each
def test_every_field_of_an_event_is_in_a_published_schema(event: type[Event]) -> None:
    published = {name for path in PUBLISHED.glob(f"{event.type}.v*.json") for name in fields(whole(read(path)))}
    assert set(fields(whole(schema(event)))) <= published, "run `make generate`"


def test_a_new_field_of_a_report_or_a_request_raises_the_schema_version() -> None:
    """Services that do not know it would park what has it, unless the sender's version is newer."""
    for event in EVENTS:
        shapes = {frozenset(fields(whole(read(path)))) for path in PUBLISHED.glob(f"{event.type}.v*.json")}
        assert issubclass(event, Fact) or len(shapes) <= SCHEMA_VERSION


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.json")), ids=lambda path: path.stem)
def test_fields_were_only_added_since_a_schema_was_published(path: Path) -> None:
    event = BY_TYPE[path.stem.rpartition(".")[0]]
    assert broken(read(path), schema(event), fact=issubclass(event, Fact)) == NEW_VALUES.get(path.stem, []), (
        f"undo the change; only if {path.name} was never released, delete it, its example and their lines in SHA256SUMS"
    )
