"""The content of an event as JSON: read leniently, as a reader of facts does, or strictly, as modelog reads reports."""

from __future__ import annotations

import inspect
from contextlib import suppress
from itertools import islice
from math import isfinite, nan
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from modelog.events import DriftDetected, Event, ModelTrained
from modelog.modes import Unreadable
from modelog.unknown import Place, inner_types, unknown_fields
from modelog.untrusted import MAX_LISTED_PROBLEMS, problems

CAN_FORBID = "extra" in inspect.signature(BaseModel.model_validate_json).parameters
"""Pydantic has it since 2.12; without it a strict reader parses twice."""


class Notes(NamedTuple):
    """What was left out of an event: metrics without a value, and unknown fields of a newer sender."""

    dropped: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


NOTHING = Notes()


def read_leniently(event: type[Event], data: bytes) -> tuple[Event, Notes]:
    """The event, without unknown fields; raise Unreadable where the others are not as in its schema."""
    try:
        return event.model_validate_json(data), NOTHING
    except ValidationError as error:
        found, dropped = _without_nulls(event, data)
        if found is None:
            raise _unreadable(event, problems(error)) from None
    try:
        return event.model_validate_json(found), Notes(dropped)
    except ValidationError as error:
        raise _unreadable(event, problems(error)) from None


def read_strictly(event: type[Event], data: bytes, *, is_newer: bool) -> tuple[Event, Notes]:
    """The event; raise Unreadable for unknown fields too, unless the sender `is_newer` than this code."""
    notes = NOTHING
    try:
        # Costs no more than reading leniently, and most events are read here.
        read = event.model_validate_json(data, extra="forbid") if CAN_FORBID else None
    except ValidationError:
        read = None
    if read is None:
        read, notes = _read_with_names(event, data, is_newer)
    if problem := _problem(read):
        raise _unreadable(event, problem)
    return read, notes


def _read_with_names(event: type[Event], data: bytes, is_newer: bool) -> tuple[Event, Notes]:
    unknown: list[tuple[Place, str]] = []
    with suppress(ValueError):
        unknown = list(islice(unknown_fields(event, from_json(data)), MAX_LISTED_PROBLEMS))
    sentences = "; ".join(sentence for _, sentence in unknown)
    try:
        read, notes = read_leniently(event, data)
    except Unreadable as error:
        raise (Unreadable(f"{error}; {sentences}") if unknown else error) from None
    if unknown and not is_newer:
        raise _unreadable(event, sentences)
    return read, notes._replace(ignored=tuple(".".join(map(str, at)) for at, _ in unknown))


def _without_nulls(event: type[Event], data: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """The data without what is null where it may be left out, and the metrics that were; None if nothing is.

    A metric that is NaN is null in JavaScript and pandas, and so is a score that is infinite; a list, a map or a text
    that is empty is null in Go.
    """
    try:
        content = from_json(data)
    except ValueError:
        return None, ()
    dropped, before = list[str](), to_json(content, inf_nan_mode="constants")
    if isinstance(content, dict) and issubclass(event, ModelTrained) and isinstance(content.get("metrics"), dict):
        dropped = [name for name, value in content["metrics"].items() if value is None]
        content["metrics"] = {name: value for name, value in content["metrics"].items() if value is not None}
    if isinstance(content, dict) and issubclass(event, DriftDetected):
        content |= {name: nan for name in ("score", "threshold") if content.get(name, 0) is None}
    after = to_json(_with_defaults(event, content), inf_nan_mode="constants")
    return (None, ()) if after == before else (after, tuple(dropped))


def _with_defaults(of: type[BaseModel], content: Any) -> Any:
    """The content without fields that are null and have a default that is not."""
    if isinstance(content, list):
        return [_with_defaults(of, item) for item in content]
    if not isinstance(content, dict):
        return content
    inner, fields = inner_types(of), of.model_fields
    return {
        name: _with_defaults(inner[name], value) if name in inner else value
        for name, value in content.items()
        if value is not None or name not in fields or fields[name].is_required() or fields[name].default is None
    }


def _problem(event: Event) -> str | None:
    """What no schema says: parameters come back as they are, and a window begins before it ends."""
    if isinstance(event, ModelTrained):
        if event.parameters and (found := _not_finite(event.parameters, ("parameters",))) is not None:
            at = ".".join(map(str, found[0]))[:60]
            return f"{at}: {found[1]} is no number of JSON: leave it out or send it as text"
    elif isinstance(event, DriftDetected) and event.window and event.window.start > event.window.end:
        return f"window: it starts at {event.window.start}, after its end at {event.window.end}"
    return None


def _not_finite(value: Any, at: Place) -> tuple[Place, float] | None:
    """The first number that is infinite or NaN, with its place."""
    for name, item in value.items() if type(value) is dict else enumerate(value):
        kind = type(item)
        if kind is float:
            if not isfinite(item):
                return (*at, name), item
        elif (kind is dict or kind is list) and (found := _not_finite(item, (*at, name))) is not None:
            return found
    return None


def _unreadable(event: type[Event], found: str) -> Unreadable:
    return Unreadable(f"expected {event.type} as in its schema, found {found}")
