"""The JSON Schema of every event, for readers in other languages."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import FloatSchema

from modelog.events import Event

NAMESPACE = "urn:modelog:schema"


class Generator(GenerateJsonSchema):
    """Pydantic's generator; a float that may be not finite is described as it is sent, NaN as a string."""

    def float_schema(self, schema: FloatSchema) -> JsonSchemaValue:
        number = super().float_schema(schema)
        if schema.get("allow_inf_nan", True):
            return {"anyOf": [number, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
        return number


def schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type of event."""
    described = event.model_json_schema(mode="validation", schema_generator=Generator)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"{NAMESPACE}:{event.type}",
        **described,
        "title": event.type,
    }
