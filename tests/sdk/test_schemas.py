"""The committed schemas are the generated ones, hold for the examples, and only ever grew."""

import json
from pathlib import Path

import pytest
from modelog.events import BY_TYPE, EVENTS, Event, Fact
from modelog.schemas import schema, text, write

from tests.sdk.additive import broken
from tests.sdk.files import GOLDEN, PUBLISHED, SCHEMAS

jsonschema = pytest.importorskip("jsonschema")
each = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)


@each
def test_the_committed_schema_is_the_generated_one(event: type[Event]) -> None:
    assert (SCHEMAS / f"{event.type}.json").read_text("utf-8") == text(event), "run `python -m modelog.schemas`"


def test_every_committed_schema_is_of_an_event() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(BY_TYPE)


@each
def test_a_schema_is_a_schema(event: type[Event]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(event))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_the_examples_hold_to_their_schema(path: Path) -> None:
    jsonschema.Draft202012Validator(schema(BY_TYPE[path.stem.rpartition(".")[0]])).validate(
        json.loads(path.read_text("utf-8"))
    )


@each
def test_every_event_has_a_published_schema(event: type[Event]) -> None:
    assert list(PUBLISHED.glob(f"{event.type}.v*.json")), f"copy sdk/schemas/{event.type}.json there, as v1"


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.json")), ids=lambda path: path.stem)
def test_the_schema_has_only_grown_since_it_was_published(path: Path) -> None:
    event = BY_TYPE[path.stem.rpartition(".")[0]]
    assert broken(json.loads(path.read_text("utf-8")), schema(event), fact=issubclass(event, Fact)) == []


def test_schemas_are_written_into_any_folder(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert len(list((tmp_path / "new").iterdir())) == len(EVENTS)
