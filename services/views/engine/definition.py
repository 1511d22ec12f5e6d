"""A view is a folder of SQL: `fold` (facts to rows), `merge` (rows into a table), `table` (keys), `view` (columns)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelog.policy import DEFAULT, Policy

HERE = Path(__file__).parent
SQL = {file.stem: file.read_text() for file in (HERE / "sql").glob("*.sql")}
"""The statements that belong to no view."""


def parameters(policy: Policy) -> dict[str, str]:
    """The parameters that a `view.sql` may name in braces, besides `{table}`."""
    return {"champion_stage": policy.champion_stage}


@dataclass(frozen=True)
class View:
    """One public name, `registry.<name>`, over the newest generation of its table.

    `version` is the number in the folder's VERSION. It is raised with every change of the SQL beside it, and the table
    is then built again. `view` may use `parameters`: when a parameter changes, the public view is replaced and no table
    is built.
    """

    name: str
    version: int
    fold: str
    merge: str
    table: str
    view: str
    parameters: Mapping[str, str] = field(default_factory=lambda: parameters(DEFAULT))

    @classmethod
    def read(cls, folder: Path) -> View:
        """The view in this folder."""
        sql = {part: (folder / f"{part}.sql").read_text() for part in ("fold", "merge", "table", "view")}
        version = int((folder / "VERSION").read_text())
        return cls(folder.name, version, sql["fold"], sql["merge"], sql["table"], sql["view"])

    @property
    def digest(self) -> str:
        """Of its SQL without comments, before parameters are filled in."""
        parts = (re.sub(r"--[^\n]*", "", part).split() for part in (self.fold, self.merge, self.table, self.view))
        return hashlib.sha256("\0".join(" ".join(words) for words in parts).encode()).hexdigest()

    def table_name(self, generation: int) -> str:
        return f"registry.{self.name}_{generation}"

    def create_sql(self, generation: int, upto: int) -> str:
        """A new table of the facts up to there. CREATE TABLE AS takes no arguments, but may work in parallel.

        Rows are compressed only beyond half a page: with the usual quarter, the wide view costs more CPU and less disk.
        """
        fold = self.fold.replace("$1", "0").replace("$2", str(upto))
        return f"create table {self.table_name(generation)} with (toast_tuple_target = 4080) as\n{fold}"

    def keys_sql(self, generation: int) -> str:
        """The keys and statistics of a new table."""
        return self.table.format(table=self.table_name(generation))

    def merge_sql(self, generation: int) -> str:
        """Fold the facts in ($1, $2], and merge them into a generation's table."""
        return f"with fold as (\n{self.fold})\n{self.merge.format(table=self.table_name(generation))}"

    def rows_sql(self, table: str) -> str:
        """The rows of a table as the public sees them."""
        literals = {name: "'" + value.replace("'", "''") + "'" for name, value in self.parameters.items()}
        return self.view.format(table=table, **literals)

    def show_sql(self, generation: int) -> str:
        """The public view. Its readers, and views of users on it, keep their rights and are not interrupted."""
        return f"create or replace view registry.{self.name} as\n{self.rows_sql(self.table_name(generation))}"

    def digest_sql(self, generation: int) -> str:
        """The public rows as a number of rows and two sums."""
        return SQL["digest"].format(shown=self.rows_sql(self.table_name(generation)))


VIEWS = [View.read(file.parent) for file in sorted((HERE.parent / "tables").glob("*/VERSION"))]
"""Every view that has a folder, shown with the default policy."""
NAMES = tuple(view.name for view in VIEWS)


def for_policy(policy: Policy, views: Sequence[View] = VIEWS) -> list[View]:
    """These views, shown with the parameters of the policy in force."""
    return [replace(view, parameters=parameters(policy)) for view in views]
