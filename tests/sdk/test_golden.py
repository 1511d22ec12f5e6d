"""Every shape ever published decodes. An example is never edited: a new shape is a new file, `….v2.json`."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from modelog.envelope import Message, decode, encode
from modelog.events import BY_TYPE, EVENTS, Event

from tests.sdk.files import GOLDEN, PUBLISHED

EXAMPLES = sorted(GOLDEN.glob("*.json"))


def kept(old: Any, new: Any) -> bool:
    """Whether `new` contains all that `old` contains; a newer SDK may add to it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and kept(value, new[name]) for name, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(kept, old, new))
    return type(old) is type(new) and old == new


def read(name: str) -> Message[Event]:
    example = json.loads((GOLDEN / "envelope" / name).read_text("utf-8"))
    headers = [(header, value.encode()) for header, value in example["headers"].items()]
    return decode(example["key"].encode(), json.dumps(example["value"]).encode(), headers)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_event_has_an_example(event: type[Event]) -> None:
    assert list(GOLDEN.glob(f"{event.type}.v*.json")), "run `make generate`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_decodes_and_encodes_to_what_it_was(path: Path) -> None:
    example = json.loads(path.read_text("utf-8"))
    event = BY_TYPE[path.stem.rpartition(".")[0]].model_validate_json(path.read_bytes())
    assert kept(example, json.loads(encode(event, source="test")[1]))


@pytest.mark.parametrize("folder", [GOLDEN, PUBLISHED], ids=lambda folder: folder.name)
def test_what_was_published_is_never_edited(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.json")
    }
    assert {name: found.get(name) for name in sums} == sums, "restore what was edited, and add a file beside it"
    assert found.keys() == sums.keys(), "run `make generate`"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_both_modes_are_the_same_message(version: str) -> None:
    message = read(f"binary.{version}.json")
    assert message.event.type == "model.promoted"
    assert (message.id, message.source) == ("7d444840-9dc0-11d1-b245-5ffdce74fad2", "modelog")
    assert (message.sequence, message.correlation) == (1042, "0f8fad5b-d9cb-469f-a165-70867728950e")
    assert message == read(f"structured.{version}.json")


def test_an_actor_came_with_the_second_version_of_the_envelope() -> None:
    assert (read("binary.v1.json").actor, read("binary.v2.json").actor) == (None, "u-4711")


def test_a_cause_never_changes() -> None:
    assert str(read("binary.v1.json").cause) == "440b7fcf-d6b3-5c2b-bfd9-69468f61f433"
