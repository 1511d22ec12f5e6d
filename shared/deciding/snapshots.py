"""Snapshots: what a service knows of a long stream, written down so that nobody has to fold it from its beginning.

A snapshot only saves time: the log has all that is in it, and the table may be emptied at any moment. Its row says
which fold made it, and what other code made is not looked at.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import GenericAlias
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import asyncpg
import orjson
from immutables import Map
from pydantic import ConfigDict, TypeAdapter

from shared.deciding import id_set
from shared.deciding.id_set import IdSet
from shared.domain import paged_map
from shared.domain.decider import Decider
from shared.domain.paged_map import PagedMap

S = TypeVar("S")

EVERY = 2_000
"""Facts behind a snapshot before the next one is written. So many are read and folded in about 40 ms."""

READ = """
select stream, version, told, said, pages
  from log.snapshot
 where stream = any ($1) and decider = $2 and fold = $3
"""
KEEP = """
insert into log.snapshot (stream, decider, fold, version, told, said, pages) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (stream, decider) do update
   set (fold, version, at, told, said, pages)
       = (excluded.fold, excluded.version, excluded.at, excluded.told, excluded.said, excluded.pages)
 where snapshot.fold <> excluded.fold or snapshot.version < excluded.version
"""


@dataclass(frozen=True, slots=True)
class History(Generic[S]):
    """What one service knows of a stream: its version, the folded state, and the ids of the facts it said itself.

    A cause was answered if the first fact that would answer it is among the ids. `kept` is the version of the last
    snapshot.
    """

    state: S
    version: int
    said: IdSet
    kept: int


class Snapshots(Generic[S]):
    """The snapshots of one decider's streams. Its states are dataclasses of `Pages`, small `Map`s and plain values."""

    def __init__(self, pool: asyncpg.Pool, name: str, decider: Decider[S, Any]) -> None:
        self.pool = pool
        self.name = name
        self.initial = decider.initial
        hints = get_type_hints(type(decider.initial))
        self.paged = {name: getattr(self.initial, name) for name, hint in hints.items() if get_origin(hint) is PagedMap}
        self.plain = {name: _adapter(hint) for name, hint in hints.items() if name not in self.paged}
        self.maps = [name for name, hint in hints.items() if get_origin(hint) is Map]
        self.fold = _digest(decider, [pages.schema for pages in self.paged.values()], list(self.plain.values()))

    async def read(self, streams: Sequence[str]) -> dict[str, History[S]]:
        """The histories of those streams that have a snapshot."""
        rows = await self.pool.fetch(READ, streams, self.name, self.fold)
        return {stream: self._opened(version, orjson.loads(told), *raw) for stream, version, told, *raw in rows}

    async def keep(self, stream: str, history: History[S]) -> None:
        """Write a sealed history down, unless a later one is there."""
        paged = {name: getattr(history.state, name) for name in self.paged}
        told = {
            "plain": {name: orjson.Fragment(self._plain(history.state, name)) for name in self.plain},
            "pages": {name: [len(one), list(one.kept)] for name, one in paged.items()},
        }
        raw = [page.raw for one in paged.values() for page in one.kept.values()]
        row = (history.version, orjson.dumps(told).decode(), bytes(history.said), raw)
        await self.pool.execute(KEEP, stream, self.name, self.fold, *row)

    def sealed(self, history: History[S]) -> History[S]:
        """The same history, ready to be kept: what came since the last snapshot is in its pages."""
        paged = {name: getattr(history.state, name).sealed() for name in self.paged}
        return replace(history, state=replace(self._dataclass(history.state), **paged), kept=history.version)

    def _opened(self, version: int, told: dict[str, Any], said: bytes, raw: Sequence[bytes]) -> History[S]:
        rest, held = iter(raw), dict[str, Any]()
        for name, none in self.paged.items():
            size, numbers = told["pages"][name]
            held[name] = none.opened({number: next(rest) for number in numbers}, size)
        for name, adapter in self.plain.items():
            value = adapter.validate_python(told["plain"][name])
            held[name] = Map(value) if name in self.maps else value
        return History(replace(self._dataclass(self.initial), **held), version, IdSet(said), version)

    def _plain(self, state: S, name: str) -> bytes:
        value = getattr(state, name)
        return self.plain[name].dump_json(dict(value) if name in self.maps else value)

    @staticmethod
    def _dataclass(state: S) -> Any:
        return state


def _adapter(hint: Any) -> TypeAdapter[Any]:
    """JSON for a field of a state. Metrics may be NaN."""
    form: Any = GenericAlias(dict, get_args(hint)) if get_origin(hint) is Map else hint
    return TypeAdapter(form, config=ConfigDict(ser_json_inf_nan="strings"))


def _digest(decider: Decider[Any, Any], paged: Iterable[Any], plain: Iterable[TypeAdapter[Any]]) -> str:
    """Of all that makes a state what it is: the code of the fold, what it reads, what it keeps and how."""
    modules = [sys.modules[type(decider.initial).__module__], paged_map, id_set, sys.modules[__name__]]
    told = [inspect.getsource(module) for module in modules]
    told += sorted(orjson.dumps(fact.model_json_schema()).decode() for fact in decider.remembers)
    told += [orjson.dumps(schema).decode() for schema in (*paged, *(adapter.json_schema() for adapter in plain))]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()
