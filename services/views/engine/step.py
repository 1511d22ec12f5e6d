"""One statement that moves views and their cursors by the facts of a range, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from services.views.engine.cursors import CursorMoved
from services.views.engine.definition import SQL, View

# A step folds few facts: it uses indexes whatever the statistics are, and is planned once. It does not wait for the
# disk: rows and cursor are lost together in a crash, and folded again.
SESSION = """
set synchronous_commit = off;
set plan_cache_mode = force_generic_plan;
set jit = off;
set enable_seqscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
"""


@dataclass(frozen=True)
class Followed:
    """A view, with the SQL that made its table, and the generation of that table.

    `current` is whether that SQL is this process's, and the public view is as this process shows it.
    """

    view: View
    generation: int
    current: bool = True


def step_sql(followed: Iterable[Followed]) -> str:
    """The statement for these views."""
    merges = (f"{table.view.name} as (\n{table.view.merge_sql(table.generation)})" for table in followed)
    return SQL["step"].format(merges=",\n".join(merges))


@dataclass(frozen=True)
class Step:
    """The statement, prepared on a connection whose settings are `SESSION`."""

    connection: asyncpg.Connection
    names: list[str]
    generations: list[int]
    statement: Any

    @classmethod
    async def prepare(cls, connection: asyncpg.Connection, followed: Sequence[Followed]) -> Step:
        """Raise CursorMoved where a table is gone."""
        try:
            statement = await connection.prepare(step_sql(followed))
        except asyncpg.UndefinedTableError as error:
            raise CursorMoved(str(error)) from error
        names, generations = [table.view.name for table in followed], [table.generation for table in followed]
        return cls(connection, names, generations, statement)

    async def run(self, after: int, upto: int) -> int:
        """Fold the facts in (after, upto] and return their number; raise CursorMoved if a view is not at `after`."""
        try:
            async with self.connection.transaction():
                moved, facts = await self.statement.fetchrow(after, upto, self.names, self.generations)
                if moved != len(self.names):
                    raise CursorMoved(
                        f"expected {', '.join(self.names)} at {after}, found {moved} of {len(self.names)} there"
                    )
        except asyncpg.UndefinedTableError as error:
            raise CursorMoved(str(error)) from error
        return int(facts)
