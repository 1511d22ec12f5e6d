"""A view is a folder of SQL: `fold` (facts to rows), `merge` (rows into a table), `table` (keys), `view` (columns)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SQL = {file.stem: file.read_text() for file in (HERE / "sql").glob("*.sql")}
"""The statements that belong to no view."""


@dataclass(frozen=True)
class View:
    """One public name, `registry.<name>`, over the newest generation of its table.

    `version` is the number in the folder's VERSION. It is raised with every change to the SQL beside it, and the table
    is then built anew.
    """

    name: str
    version: int
    fold: str
    merge: str
    table: str
    view: str

    @classmethod
    def read(cls, folder: Path) -> View:
        sql = {part: (folder / f"{part}.sql").read_text() for part in ("fold", "merge", "table", "view")}
        return cls(folder.name, int((folder / "VERSION").read_text()), **sql)

    @property
    def digest(self) -> str:
        """Of all its SQL."""
        return hashlib.sha256("\0".join([self.fold, self.merge, self.table, self.view]).encode()).hexdigest()

    def at(self, generation: int) -> str:
        """The name of a generation's table."""
        return f"registry.{self.name}_{generation}"

    def built(self, generation: int, upto: int) -> str:
        """A new table, made of the facts up to there. CREATE TABLE AS takes no arguments, but may work in parallel.

        Rows are compressed only beyond half a page: with the usual quarter, the wide view costs more CPU and less disk.
        """
        fold = self.fold.replace("$1", "0").replace("$2", str(upto))
        return f"create table {self.at(generation)} with (toast_tuple_target = 4080) as\n{fold}"

    def keyed(self, generation: int) -> str:
        """The keys and statistics of a new table."""
        return self.table.format(table=self.at(generation))

    def merged(self, generation: int) -> str:
        """The facts in ($1, $2] folded, and merged into a generation's table."""
        return f"with fold as (\n{self.fold})\n{self.merge.format(table=self.at(generation))}"

    def shown(self, generation: int) -> str:
        """The rows of a generation's table as the public sees them."""
        return self.view.format(table=self.at(generation))

    def digested(self, generation: int) -> str:
        """Those rows as a number of rows and two sums."""
        return SQL["digest"].format(shown=self.shown(generation))


def step(views: Sequence[View], generations: Sequence[int]) -> str:
    """One statement that moves all views at once."""
    merges = (f"{view.name} as (\n{view.merged(at)})" for view, at in zip(views, generations, strict=True))
    return SQL["step"].format(merges=",\n".join(merges))


def discover(folder: Path = HERE.parent / "tables") -> list[View]:
    """Every view that has a folder."""
    return [View.read(found.parent) for found in sorted(folder.glob("*/VERSION"))]


VIEWS = discover()
