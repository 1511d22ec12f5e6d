"""Events as Hypothesis makes them: whatever the published schema allows."""

from __future__ import annotations

import json
from datetime import timezone
from functools import cache
from typing import Any

from hypothesis import strategies as st
from modelog.events import EVENTS, Event
from modelog.schemas import schema

from tests.sdk.additive import Schema, whole

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, max_size=20)
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=9
)
TIMES = st.datetimes(timezones=st.just(timezone.utc)).map(lambda time: time.isoformat())
FORMATS = {"uuid": st.uuids().map(str), "date-time": TIMES}


def values(node: Schema) -> st.SearchStrategy[Any]:
    """JSON values of a schema."""
    if "anyOf" in node:
        return st.one_of([values(branch) for branch in node["anyOf"]])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node.get("type"):
        case "object":
            return objects(node)
        case "array":
            return st.lists(values(node["items"]), min_size=node.get("minItems", 0), max_size=3)
        case "string" if "pattern" in node:
            return st.from_regex(node["pattern"].replace("$", r"\Z"))
        case "string" if "format" in node:
            return FORMATS[node["format"]]
        case "string":
            return st.text(CHARACTERS, min_size=node.get("minLength", 0), max_size=min(20, node.get("maxLength", 20)))
        case "integer":
            return st.integers(node.get("minimum"), node.get("maximum", 2**53))
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case _:
            return ANYTHING


def objects(node: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of a schema, with or without the fields that may be left out."""
    if "properties" not in node:
        names = values({"type": "string", **node.get("propertyNames", {})})
        return st.dictionaries(names, values(node["additionalProperties"]), max_size=3)
    fields = {name: values(field) for name, field in node["properties"].items()}
    required = {name: fields.pop(name) for name in node.get("required", [])}
    return st.fixed_dictionaries(required, optional=fields)


def bytes_in_one_place(value: dict[str, Any]) -> bool:
    """Whether an artifact has either files or a uri: the only rule that no schema contains."""
    artifact = value.get("artifact", {})
    return not (artifact.get("files") and artifact.get("uri"))


@cache
def events_of(event: type[Event]) -> st.SearchStrategy[Event]:
    """Events of a type."""
    return (
        values(whole(schema(event)))
        .filter(bytes_in_one_place)
        .map(lambda value: event.model_validate_json(json.dumps(value)))
    )


events = st.sampled_from(EVENTS).flatmap(events_of)
