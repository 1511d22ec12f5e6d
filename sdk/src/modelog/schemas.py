"""The JSON Schema of every event, for readers in other languages: `python -m modelog.schemas [folder]` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import FloatSchema

from modelog.events import EVENTS, Event

NAMESPACE = "urn:modelog:schema"


class Generator(GenerateJsonSchema):
    """Pydantic's, and a float that need not be finite is said as it is sent: NaN as the string."""

    def float_schema(self, schema: FloatSchema) -> JsonSchemaValue:
        number = super().float_schema(schema)
        if schema.get("allow_inf_nan", True):
            return {"anyOf": [number, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
        return number


def schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one type of event."""
    described = event.model_json_schema(mode="validation", schema_generator=Generator)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"{NAMESPACE}:{event.type}",
        **described,
        "title": event.type,
    }


def text(event: type[Event]) -> str:
    """The file that holds the schema of `event`."""
    return json.dumps(schema(event), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write the schema of every event into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for event in EVENTS:
        (folder / f"{event.type}.json").write_text(text(event), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "sdk/schemas"))
