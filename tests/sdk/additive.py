"""Fields are only added: what a change of a schema would break, as sentences.

New readers must accept what old writers send. Old readers must accept the facts of new writers, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def broken(old: Schema, new: Schema, *, fact: bool) -> list[str]:
    """Why `new` does more than add to `old`; empty if it only adds."""
    old, new = whole(old), whole(new)
    found = [f"{name} is removed" for name in fields(old) if name not in set(fields(new))]
    found += [f"new readers refuse {what}" for what in refused(new, old)]
    if fact:
        found += [f"old readers refuse {what}" for what in refused(old, new)]
    return found


def whole(schema: Any, definitions: Schema | None = None) -> Any:
    """The schema with each `$ref` replaced by what it refers to."""
    if isinstance(schema, list):
        return [whole(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return whole(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: whole(value, definitions) for name, value in schema.items() if name != "$defs"}


def branches(schema: Schema) -> list[Schema]:
    """The alternatives of a schema: itself, if there are no others."""
    return [branch for option in schema["anyOf"] for branch in branches(option)] if "anyOf" in schema else [schema]


def fields(schema: Schema, at: str = "") -> Iterator[str]:
    """The path of every field."""
    for branch in branches(schema):
        for name, field in branch.get("properties", {}).items():
            yield f"{at}{name}"
            yield from fields(field, f"{at}{name}.")
        for inner in ("items", "additionalProperties"):
            if isinstance(branch.get(inner), dict):
                yield from fields(branch[inner], f"{at}*.")


def refused(reader: Schema, writer: Schema, at: str = "") -> Iterator[str]:
    """What `writer` may send that `reader` does not accept."""
    for writes in branches(writer):
        attempts = [list(refused_by(reads, writes, at)) for reads in branches(reader)]
        yield from min(attempts, key=len)


def refused_by(reads: Schema, writes: Schema, at: str) -> Iterator[str]:
    """The same, of two schemas without alternatives."""
    place = at.rstrip(".") or "the value"
    if (texts := listed(writes)) and all(isinstance(text, str) for text in texts):
        writes = writes | {"minLength": min(map(len, texts)), "maxLength": max(map(len, texts))}
    kinds = (reads.get("type"), writes.get("type"))
    if kinds[0] not in (None, kinds[1]) and kinds != ("number", "integer"):
        yield f"{place} as {kinds[1] or 'anything'}"
        return
    if (values := listed(reads)) is not None:
        yield from (f"{place} as {value!r}" for value in listed(writes) or ["anything"] if value not in values)
    for rule in ("pattern", "format"):
        if rule in reads and reads[rule] != writes.get(rule):
            yield f"{place} with another {rule}"
    for rule in LEAST:
        if rule in reads and writes.get(rule, float("-inf")) < reads[rule]:
            yield f"{place} below its {rule}"
    for rule in MOST:
        if rule in reads and writes.get(rule, float("inf")) > reads[rule]:
            yield f"{place} above its {rule}"
    for name in reads.get("required", []):
        if name not in writes.get("required", []):
            yield f"{at}{name} left out"
    for name, field in reads.get("properties", {}).items():
        if name in writes.get("properties", {}):
            yield from refused(field, writes["properties"][name], f"{at}{name}.")
    for inner in ("items", "additionalProperties", "propertyNames"):
        if isinstance(reads.get(inner), dict):
            yield from refused(reads[inner], writes.get(inner, {}), f"{at}*.")


def listed(schema: Schema) -> list[Any] | None:
    """The values that a schema lists, if it lists them."""
    return [schema["const"]] if "const" in schema else schema.get("enum")
