"""What was published, kept for tests: of each version of an event the schema and an example. Files are only added."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from modelog.events import EVENTS, Event
from modelog.schemas import schema
from modelog.values import MODEL_NAME
from pydantic import ValidationError

Json = dict[str, Any]

GOLDEN, PUBLISHED = Path("tests/sdk/golden"), Path("tests/sdk/published")
SUMS = "SHA256SUMS"
HEX = "1ce53cadfabc97bdc3d866dbe423b1ecdafc01cf1bb8fcbeeccc016a01b18cda"

PATTERNS = {f"^{MODEL_NAME.pattern}$": "fraud", "^sha256:[0-9a-f]{64}$": f"sha256:{HEX}", "^[0-9a-f]{64}$": HEX}
FORMATS = {"uuid": "0f8fad5b-d9cb-469f-a165-70867728950e", "date-time": "2026-03-02T04:38:00Z", "duration": "PT1H"}


def as_text(value: object) -> str:
    """JSON as it is committed."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def missing_samples(root: Path) -> dict[Path, str]:
    """The next example and schema of each event that is new or has a new field, and the sums with them added."""
    found: dict[Path, str] = {}
    for event in EVENTS:
        version, last = latest(root / PUBLISHED, event)
        if version == 0 or fields(schema(event)) - fields(last):
            version += 1
            found[root / PUBLISHED / f"{event.type}.v{version}.json"] = as_text(schema(event))
        path = root / GOLDEN / f"{event.type}.v{version}.json"
        if not path.exists():
            found[path] = as_text(sample(event, latest(root / GOLDEN, event)[1]))
    return found | {root / folder / SUMS: sums(root / folder, found) for folder in (GOLDEN, PUBLISHED)}


def latest(folder: Path, event: type[Event]) -> tuple[int, Json]:
    """The number of the last version in `folder`, or 0, and its content."""
    versions = {int(path.stem.rpartition(".v")[2]): path for path in folder.glob(f"{event.type}.v*.json")}
    number = max(versions, default=0)
    return number, json.loads(versions[number].read_text("utf-8")) if number else {}


def fields(whole: Json) -> set[tuple[str, str]]:
    """The name of every field, after the name of the definition that has it."""
    parts = {"": whole, **whole.get("$defs", {})}
    return {(name, field) for name, part in parts.items() for field in part.get("properties", {})}


def sums(folder: Path, added: dict[Path, str]) -> str:
    """SHA256SUMS with a line for each file that has none; lines that are there stay, so an edited file is noticed."""
    path = folder / SUMS
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    by_name = {line.partition("  ")[2]: line for line in lines}
    contents = {file: file.read_bytes() for file in folder.rglob("*.json")}
    contents |= {file: text.encode() for file, text in added.items() if file.parent == folder}
    for file, content in contents.items():
        name = file.relative_to(folder).as_posix()
        by_name.setdefault(name, f"{hashlib.sha256(content).hexdigest()}  {name}")
    return "".join(f"{by_name[name]}\n" for name in sorted(by_name))


def sample(event: type[Event], last: Json) -> Any:
    """The `last` example with a value in every field, as JSON; exit with a sentence if it needs a person."""
    whole = schema(event)
    try:
        made = example(whole, whole.get("$defs", {}), "event") | last
        event.model_validate(made)
    except (KeyError, ValidationError) as error:
        raise SystemExit(
            f"write an example of {event.type} into {GOLDEN} by hand, none could be made: {error}"
        ) from error
    return made


def example(node: Any, definitions: Json, name: str) -> Any:
    """A value that the schema `node` allows; text is the name of its field."""
    match node:
        case {"$ref": reference}:
            return example(definitions[reference.rpartition("/")[2]], definitions, name)
        case {"anyOf": options}:
            return example(next(option for option in options if option != {"type": "null"}), definitions, name)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"pattern": pattern}:
            return PATTERNS[pattern]
        case {"format": format}:
            return FORMATS[format]
        case {"properties": properties}:
            return {field: example(inner, definitions, field) for field, inner in properties.items()}
        case {"additionalProperties": inner}:
            return {name: example(inner, definitions, name)}
        case {"items": inner}:
            return [example(inner, definitions, name)]
        case {"type": "string"}:
            return name
        case {"type": "boolean"}:
            return True
        case {"type": "number"}:
            return 0.5
        case {"type": "integer"}:
            return node.get("minimum", 1)
    return 1
