"""The dump of commit ea756c9, and a database in the state in which that commit left it."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

from tests.upgrade.databases import set_up_as_ea756c9

FILE = Path(__file__).parent / "ea756c9.jsonl"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class OldRecord:
    """A Kafka record; `topic` is without the prefix of the registry."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Dump:
    """What commit ea756c9 left: the SQL of its views, rows by table, records, and offsets by (group, topic)."""

    sql: list[str] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    records: list[OldRecord] = field(default_factory=list)
    offsets: dict[tuple[str, str], int] = field(default_factory=dict)


@cache
def read_dump() -> Dump:
    """The committed file."""
    dump = Dump()
    with FILE.open() as lines:
        for line in map(json.loads, lines):
            match line:
                case {"sql": sql}:
                    dump.sql.append(sql)
                case {"table": table, "row": row}:
                    dump.rows[table].append(row)
                case {"record": topic, "key": key, "value": value, "headers": headers}:
                    named = [(name, _bytes(content)) for name, content in headers]
                    dump.records.append(OldRecord(topic, _bytes(key), _bytes(value), named))
                case {"group": group, "topic": topic, "offset": offset}:
                    dump.offsets[group, topic] = offset
    return dump


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


async def load_dump(owner: asyncpg.Connection, **rows: Sequence[Row]) -> None:
    """Fill an empty database as that commit left it; `event=…` replaces the rows of `log.event`."""
    dump = read_dump()
    await set_up_as_ea756c9(owner)
    await owner.execute("set role modelog_service")
    for sql in dump.sql:
        await owner.execute(sql)
    await owner.execute("reset role")
    for table, found in dump.rows.items():
        if table != "modelog.migration":
            chosen = rows.get(table.removeprefix("log."), found)
            statement = f"insert into {table} select * from jsonb_populate_recordset(null::{table}, $1)"
            await owner.execute(statement, json.dumps(list(chosen)))
    await owner.execute("select setval('log.position', max(position)) from log.event")
