"""Fields that a type does not have, with the name that was probably meant. Readers ignore them; senders may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

Place = tuple[str | int, ...]

MAX_NAME_CHARS = 60
"""Of an unknown name that is compared and shown."""
MIN_SIMILARITY = 0.6


def unknown_fields(of: type[BaseModel], data: Any, at: Place = ()) -> Iterator[tuple[Place, str]]:
    """The place of each field of `data` that the type does not have, and a sentence; free mappings have none."""
    if not isinstance(data, Mapping):
        return
    inner = inner_types(of)
    for name, value in data.items():
        if name not in of.model_fields:
            place = (*at, str(name)[:MAX_NAME_CHARS])
            yield place, _sentence(place, list(of.model_fields))
        elif name in inner:
            items = enumerate(value) if isinstance(value, (list, tuple)) else [(None, value)]
            for number, item in items:
                yield from unknown_fields(inner[name], item, (*at, name) if number is None else (*at, name, number))


@cache
def inner_types(of: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The type of each field that holds further fields, alone or in a list."""
    found = {name: _model_in(field.annotation) for name, field in of.model_fields.items()}
    return {name: model for name, model in found.items() if model is not None}


@cache
def text_fields(of: type[BaseModel]) -> frozenset[str]:
    """The fields whose values are texts."""
    return frozenset(name for name, field in of.model_fields.items() if _is_text(field.annotation))


def _is_text(annotation: Any) -> bool:
    origin, parts = get_origin(annotation), [part for part in get_args(annotation) if part is not type(None)]
    if origin is Annotated:
        return _is_text(parts[0])
    return annotation is str or (origin in (Union, UnionType) and all(map(_is_text, parts)))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    origin = get_origin(annotation)
    if origin is None and isinstance(annotation, type):  # for Python 3.10, dict[str, int] is a type too
        return annotation if issubclass(annotation, BaseModel) else None
    parts = () if origin is dict else get_args(annotation)
    return next((found for part in parts if (found := _model_in(part)) is not None), None)


def _sentence(place: Place, known: list[str]) -> str:
    nearest = get_close_matches(str(place[-1]).lower(), known, 1, MIN_SIMILARITY)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
    return f"unknown field {'.'.join(map(str, place))}: {hint}"
