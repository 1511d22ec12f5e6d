"""What a program gives for the fields of an event, with the types of trainers' libraries, as plain values.

No library is imported: a value is known by what it does, so this holds for numpy, torch, jax, pandas and others.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue

from modelog.unknown import Place

logger = logging.getLogger("modelog")

PLAIN = frozenset({str, int, float, bool, type(None)})
MAX_INTEGER_BITS = 14_000
"""Python reads integers of up to 4,300 digits."""


class NotPlain(ValueError):
    """A value that would not come back as it is; `place` is the path to it, the sentence says what to send instead."""

    def __init__(self, place: Place, value: object, sentence: str) -> None:
        super().__init__(sentence)
        self.place = place
        self.value = value


def scalar(value: Any) -> Any:
    """A number, a text or a path of a library as Python's own type; any other value as it is."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, Enum):
        return scalar(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, (Real, Decimal)):
        return float(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item") and not _is_time(value):
        return scalar(value.item())
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def field(value: Any, at: Place) -> Any:
    """The value of a field of an event, with the types of libraries replaced; times have their zone."""
    value = scalar(value)
    if type(value) in PLAIN or isinstance(value, BaseModel):
        return value
    if isinstance(value, datetime):
        return _time(value, at)
    if isinstance(value, Mapping):
        return {scalar(name): field(item, (*at, str(name))) for name, item in value.items()}
    if _is_list(value):
        return [field(item, (*at, number)) for number, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        raise NotPlain(at, value, "expected an order, found a set: send a sorted list")
    return value.tolist() if _is_array(value) else value


def metrics(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Metrics by name; those without a value are left out, with a line in the log that names them."""
    plain = {scalar(name): scalar(value) for name, value in values.items()}
    if empty := [str(name) for name, value in plain.items() if value is None]:
        logger.warning("metrics without a value are left out: %s", ", ".join(empty))
    return {name: value for name, value in plain.items() if value is not None}


def parameters(values: Mapping[Any, Any]) -> JsonValue:
    """Parameters as they will come back."""
    return parameter(values, ("parameters",))


def tags(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Tags by name; numbers become texts."""
    plain = {scalar(name): scalar(value) for name, value in values.items()}
    return {name: str(value) if isinstance(value, (int, float)) else value for name, value in plain.items()}


def parameter(value: Any, at: Place) -> JsonValue:
    """A value of a free mapping as JSON that comes back as it is; raise NotPlain with the place of one that does not.

    Tuples and arrays become lists, paths, dates and UUIDs texts. An object of JSON has no order of its names.
    """
    given = value.value if isinstance(value, Enum) else value
    value = scalar(given)
    if isinstance(value, float):
        return _float(given, value, at)
    if isinstance(value, str):
        return _text(value, at)
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise NotPlain(at, "an integer", "expected an integer of at most 4,200 digits, found more: send it as text")
    if type(value) in PLAIN:
        return value  # type: ignore[no-any-return]
    if isinstance(value, Mapping):
        return {_name(name, at): parameter(item, (*at, str(name))) for name, item in value.items()}
    if _is_list(value):
        return [parameter(item, (*at, number)) for number, item in enumerate(value)]
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if _is_array(value):
        return parameter(value.tolist(), at)
    kind = type(value).__name__
    instead = "a sorted list" if isinstance(value, (set, frozenset)) else "its name, its text or its number"
    raise NotPlain(at, kind, f"expected a value that JSON has, found the type {kind}: send {instead}")


def _float(given: Any, value: float, at: Place) -> float:
    if not isfinite(value):
        raise NotPlain(at, given, f"expected a number that JSON has, found {value}: leave it out or send it as text")
    if value == 0 and str(value) == "-0.0":
        raise NotPlain(at, given, "expected a number that comes back as it is, found -0.0, which comes back as 0.0")
    if Decimal(repr(value)) != given if isinstance(given, Decimal) else isinstance(given, Real) and value != given:
        raise NotPlain(at, given, f"expected a number that a float can be, found {given}: send a float or a text")
    return value


def _text(value: str, at: Place) -> str:
    if "\0" in value:
        raise NotPlain(at, value, "contains the NUL character, which the log cannot store: remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotPlain(at, value, "expected text, found half of a character (a lone surrogate): remove it") from None
    return value


def _name(name: Any, at: Place) -> str:
    plain = scalar(name)
    if not isinstance(plain, str):
        raise NotPlain(
            (*at, str(name)),
            name,
            f"expected text as a name, found {plain!r}, which would come back as text: send it as text",
        )
    return _text(plain, at)


def _time(value: datetime, at: Place) -> datetime:
    if value.utcoffset() is None:
        raise NotPlain(
            at,
            value,
            f"expected a time with its zone, found {value}: give it a time zone, as datetime.now(timezone.utc)",
        )
    if type(value) is datetime:
        return value
    day, clock = (value.year, value.month, value.day), (value.hour, value.minute, value.second, value.microsecond)
    return datetime(*day, *clock, tzinfo=value.tzinfo, fold=value.fold)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


def _is_array(value: Any) -> bool:
    return isinstance(getattr(value, "ndim", None), int) and hasattr(value, "tolist") and not _is_time(value)


def _is_time(value: Any) -> bool:
    """Whether it is numpy's: those have no time zone, and nanoseconds become integers."""
    return getattr(getattr(value, "dtype", None), "kind", None) in ("m", "M")
