"""Snapshots: the history of a long stream, stored so that a process that has just begun need not fold it all.

A snapshot only saves time: all that is in it is in the log, and the table may be emptied at any moment. Each row names
the fold that made it; a row of another fold is not read. Nor is a row whose MAC is wrong, which somebody wrote without
the key; without a key no snapshot is written or read.
"""

from __future__ import annotations

import ast
import hashlib
import hmac
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import GenericAlias
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import asyncpg
import orjson
from immutables import Map
from pydantic import ConfigDict, TypeAdapter

import shared.domain
from shared.deciding.history import History
from shared.domain.decider import Decider
from shared.domain.paged_map import PagedMap

S = TypeVar("S")

SNAPSHOT_FACTS, SNAPSHOT_BYTES_PER_FACT = 250, 1_500
"""Between two snapshots of a stream are so many facts, which are read and folded in about 5 ms, and a fact for so many
bytes of the state: the whole row is written each time."""

# The text that will be read, for the MAC.
PRINTED = "select $1::jsonb::text"
# Read by log.catch_up, which looks up position and id of the last fact. `answered` is of older code: ids of causes. A
# row of a version that the log does not have was not written by us.
WRITE = """
insert into log.state_snapshot (stream, decider, fold, version, state, blocks, mac, answered)
values ($1, $2, $3, $4, $5, $6, $7, '')
on conflict (stream, decider) do update
   set (fold, version, at, state, blocks, mac)
       = (excluded.fold, excluded.version, excluded.at, excluded.state, excluded.blocks, excluded.mac)
 where state_snapshot.fold <> excluded.fold or state_snapshot.version <= excluded.version
    or state_snapshot.version > (select version from log.stream where stream = excluded.stream)
"""
MAC_BYTES, PERSON = 32, b"modelog/state"


class Snapshots(Generic[S]):
    """The snapshots of one decider. Its states are dataclasses of `PagedMap`s, small `Map`s and plain values."""

    def __init__(self, pool: asyncpg.Pool, decider: Decider[S, Any], key: bytes | None) -> None:
        self.pool = pool
        self.key = key
        self.name = decider.name
        self.initial = decider.initial
        hints = get_type_hints(type(decider.initial))
        self.paged = {name: getattr(self.initial, name) for name, hint in hints.items() if get_origin(hint) is PagedMap}
        self.plain = {name: _adapter(hint) for name, hint in hints.items() if name not in self.paged}
        self.maps = [name for name, hint in hints.items() if get_origin(hint) is Map]
        schemas = [*(paged.schema for paged in self.paged.values()), *(a.json_schema() for a in self.plain.values())]
        self.fold = None if key is None else _fold_digest(decider, schemas)

    async def write(self, stream: str, history: History[S]) -> None:
        """Store a sealed history, unless a later one is stored; there must be a key."""
        assert self.key is not None
        paged = {name: getattr(history.state, name) for name in self.paged}
        state = {
            "position": history.position,
            "id": str(history.id),
            "plain": {name: orjson.Fragment(self._plain(history.state, name)) for name in self.plain},
            "blocks": {name: [len(entries), list(entries.blocks)] for name, entries in paged.items()},
        }
        raw = [block.raw for entries in paged.values() for block in entries.blocks.values()]
        printed = await self.pool.fetchval(PRINTED, orjson.dumps(state).decode())
        mac = self._mac(self.key, stream, history.version, printed, raw)
        await self.pool.execute(WRITE, stream, self.name, self.fold, history.version, printed, raw, mac)

    def is_due(self, history: History[S]) -> bool:
        """Whether there are so many new facts since the last snapshot that another is worth its bytes."""
        facts = history.version - history.snapshot_version
        return self.key is not None and facts >= SNAPSHOT_FACTS and facts * SNAPSHOT_BYTES_PER_FACT >= history.nbytes

    def sealed(self, history: History[S]) -> History[S]:
        """The same history, ready to be written: every entry is in a block."""
        paged = {name: getattr(history.state, name).sealed() for name in self.paged}
        return replace(history, state=replace(_dataclass(history.state), **paged))

    def opened(self, row: Mapping[str, Any]) -> History[S] | None:
        """The history in a row `snapshot` of log.catch_up; None where the MAC, its `digest`, is wrong."""
        if self.key is None:
            return None
        mac = self._mac(self.key, row["stream"], row["version"], row["data"], row["blocks"])
        if not hmac.compare_digest(mac.hex(), row["digest"] or ""):
            return None
        stored, rest, values = orjson.loads(row["data"]), iter(row["blocks"]), dict[str, Any]()
        for name, empty in self.paged.items():
            size, numbers = stored["blocks"][name]
            values[name] = empty.opened({number: next(rest) for number in numbers}, size)
        for name, adapter in self.plain.items():
            value = adapter.validate_python(stored["plain"][name])
            values[name] = Map(value) if name in self.maps else value
        state = replace(_dataclass(self.initial), **values)
        return History(state, row["version"], row["position"], row["id"], row["version"])

    def _mac(self, key: bytes, stream: str, version: int, state: str, blocks: Sequence[bytes]) -> bytes:
        """Of all that the row has; position and id of the last fact are in the state."""
        mac = hashlib.blake2b(key=key, digest_size=MAC_BYTES, person=PERSON)
        for part in (self.name, stream, self.fold, version, state, *blocks):
            raw = part if isinstance(part, bytes) else str(part).encode()
            mac.update(len(raw).to_bytes(8, "big") + raw)
        return mac.digest()

    def _plain(self, state: S, name: str) -> bytes:
        value = getattr(state, name)
        return self.plain[name].dump_json(dict(value) if name in self.maps else value)


def _dataclass(state: Any) -> Any:
    return state


def _adapter(hint: Any) -> TypeAdapter[Any]:
    """JSON for a field of a state. Metrics may be NaN."""
    form: Any = GenericAlias(dict, get_args(hint)) if get_origin(hint) is Map else hint
    return TypeAdapter(form, config=ConfigDict(ser_json_inf_nan="strings"))


def _fold_digest(decider: Decider[Any, Any], schemas: Sequence[dict[str, Any]]) -> str:
    """Of all that makes a state: the code of the fold without comments and docstrings, its facts, and its shape."""
    domain = sorted(Path(shared.domain.__path__[0]).glob("*.py"))
    sources = [
        inspect.getsource(sys.modules[type(decider.initial).__module__]),
        inspect.getsource(sys.modules[__name__]),
    ]
    sources += [module.read_text() for module in domain]
    parts = [_code(source) for source in sources]
    parts += sorted(orjson.dumps(_undescribed(fact.model_json_schema())).decode() for fact in decider.remembers)
    parts += [orjson.dumps(_undescribed(schema)).decode() for schema in schemas]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _code(source: str) -> str:
    """The syntax tree of a module without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [statement for statement in node.body if not _is_docstring(statement)]
    return ast.dump(tree)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _undescribed(schema: Any) -> Any:
    """A JSON Schema without its descriptions; a property may have that name too, and is no text."""
    if isinstance(schema, list):
        return [_undescribed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _undescribed(part) for key, part in schema.items() if not (key == "description" and isinstance(part, str))
    }
