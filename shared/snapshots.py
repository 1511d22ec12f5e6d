"""Snapshots: what a service knows of a long stream, written down so that nobody has to fold it from its beginning.

A snapshot only saves time: the log has all that is in it, and the table may be emptied at any moment. Its row says
which fold made it, and what other code made is not looked at.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import asyncpg
import orjson
from immutables import Map
from pydantic import ConfigDict, TypeAdapter

from shared import pages
from shared.decider import Decider
from shared.pages import Page, Pages

S = TypeVar("S")

EVERY = 2_000
"""Facts behind a snapshot before the next one is written. So many are read and folded in about 30 ms."""

READ = """
select stream, version, told, pages
  from log.snapshot
 where stream = any ($1) and decider = $2 and fold = $3
"""
KEEP = """
insert into log.snapshot (stream, decider, fold, version, told, pages) values ($1, $2, $3, $4, $5, $6)
on conflict (stream, decider) do update
   set fold = excluded.fold, version = excluded.version, told = excluded.told, pages = excluded.pages, at = excluded.at
 where snapshot.fold <> excluded.fold or snapshot.version < excluded.version
"""


@dataclass(frozen=True, slots=True)
class History(Generic[S]):
    """What one service knows of a stream: its version, the folded state, and the ids of the facts it said itself.

    A cause was answered if the first fact that would answer it is among the ids, in hex. `kept` is the version of the
    last snapshot.
    """

    state: S
    version: int
    said: Pages[str, None]
    kept: int


class Snapshots(Generic[S]):
    """The snapshots of one decider's streams. Its states are dataclasses of `Pages`, small `Map`s and plain values."""

    def __init__(self, pool: asyncpg.Pool, name: str, decider: Decider[S, Any]) -> None:
        self.pool = pool
        self.name = name
        self.state: Any = type(decider.initial)
        hints = get_type_hints(self.state) | {"said": Pages[str, None]}
        kinds = {name: get_origin(hint) for name, hint in hints.items()}
        self.adapters = {name: _adapter(hint) for name, hint in hints.items()}
        self.paged = [name for name, kind in kinds.items() if kind is Pages]
        self.maps = [name for name, kind in kinds.items() if kind is Map]
        self.plain = [name for name in hints if name not in self.paged]
        self.fold = _digest(decider, self.adapters.values())

    async def read(self, streams: Sequence[str]) -> dict[str, History[S]]:
        """The histories of those streams that have a snapshot."""
        rows = await self.pool.fetch(READ, streams, self.name, self.fold)
        return {row["stream"]: self._opened(row["version"], orjson.loads(row["told"]), row["pages"]) for row in rows}

    async def keep(self, stream: str, history: History[S]) -> None:
        """Write a sealed history down, unless a later one is there."""
        paged = {name: self._pages(history, name) for name in self.paged}
        told = {
            "plain": {name: orjson.Fragment(self._plain(history.state, name)) for name in self.plain},
            "pages": {name: [len(one), list(one.kept)] for name, one in paged.items()},
        }
        raw = [page.raw for one in paged.values() for page in one.kept.values()]
        await self.pool.execute(KEEP, stream, self.name, self.fold, history.version, orjson.dumps(told).decode(), raw)

    def sealed(self, history: History[S]) -> History[S]:
        """The same history, ready to be kept: what came since the last snapshot is in its pages."""
        paged = {name: self._pages(history, name).sealed(self.adapters[name]) for name in self.paged}
        plain = {name: getattr(history.state, name) for name in self.plain}
        return self._history(history.version, plain, paged)

    def _opened(self, version: int, told: dict[str, Any], raw: Sequence[bytes]) -> History[S]:
        rest, paged = iter(raw), dict[str, Pages[Any, Any]]()
        for name in self.paged:
            size, numbers = told["pages"][name]
            paged[name] = Pages({number: Page(self.adapters[name], next(rest)) for number in numbers}, Map(), size)
        plain = {name: self.adapters[name].validate_python(value) for name, value in told["plain"].items()}
        return self._history(version, plain | {name: Map(plain[name]) for name in self.maps}, paged)

    def _history(self, version: int, plain: Mapping[str, Any], paged: dict[str, Pages[Any, Any]]) -> History[S]:
        said = paged.pop("said")
        return History(self.state(**plain, **paged), version, said, version)

    def _pages(self, history: History[S], name: str) -> Pages[Any, Any]:
        found: Pages[Any, Any] = history.said if name == "said" else getattr(history.state, name)
        return found

    def _plain(self, state: S, name: str) -> bytes:
        value = getattr(state, name)
        return self.adapters[name].dump_json(dict(value) if name in self.maps else value)


def _adapter(hint: Any) -> TypeAdapter[Any]:
    """JSON for a field of a state. Metrics may be NaN."""
    form: Any = GenericAlias(dict, get_args(hint)) if get_origin(hint) in (Map, Pages) else hint
    return TypeAdapter(form, config=ConfigDict(ser_json_inf_nan="strings"))


def _digest(decider: Decider[Any, Any], adapters: Iterable[TypeAdapter[Any]]) -> str:
    """Of all that makes a state what it is: the code of the fold, what it reads, what it keeps and how."""
    modules = [sys.modules[type(decider.initial).__module__], pages, sys.modules[__name__]]
    told = [inspect.getsource(module) for module in modules]
    told += sorted(orjson.dumps(fact.model_json_schema()).decode() for fact in decider.remembers)
    told += [orjson.dumps(adapter.json_schema()).decode() for adapter in adapters]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()
