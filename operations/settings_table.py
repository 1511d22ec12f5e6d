"""The tables of settings in docs/operations.md, made from the class that reads them."""

from __future__ import annotations

from collections.abc import Iterator

from modelog.environment import SECRETS
from pydantic.fields import FieldInfo

from shared.runtime.settings import Settings
from shared.runtime.settings_sentences import PREFIX

MARK = "<!-- What follows, up to the next section, is written by `make generate` from shared/runtime/settings.py. -->"
GROUPS = {
    "Kafka": ("kafka_", "topic_"),
    "Postgres": ("postgres_",),
    "Object store": ("s3_", "snapshot_"),
    "Services": ("",),
}
"""The titles of the tables, and how the names of their fields begin; a field is in the first table that fits."""


def with_settings(text: str) -> str:
    """The page with a table for each group of settings between the mark and the next section."""
    before, _, after = text.partition(MARK)
    following = after.find("\n## ")
    return f"{before}{MARK}\n\n" + "\n".join(tables()) + (after[following:] if following >= 0 else "")


def tables() -> Iterator[str]:
    """The lines of all tables."""
    left = dict(Settings.model_fields)
    for title, prefixes in GROUPS.items():
        rows = [_row(name, left.pop(name)) for name in list(left) if name.startswith(prefixes)]
        yield from (f"### {title}", "", "| variable | default | meaning |", "|---|---|---|", *rows, "")


def _row(name: str, field: FieldInfo) -> str:
    variable = PREFIX + str(field.validation_alias or name).upper()
    in_file = " or `_FILE`" if variable in SECRETS else ""
    default = "needed" if field.is_required() else f"`{field.default}`" if field.default not in (None, "") else ""
    return f"| `{variable}`{in_file} | {default} | {(field.description or '').strip().replace('|', '&#124;')} |"
