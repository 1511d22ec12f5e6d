"""A row of the table, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import fill
from typing import Any

WIDE = 116
HEAD = ("path", "floor", "ours", "ratio", "aim", "")


@dataclass(frozen=True)
class Row:
    """What we take beside what bare drivers take. A unit of `…/s` should be large, every other one small.

    `aim` is what we want to hold now, `then` what comes after it.
    """

    path: str
    unit: str
    ours: float
    floor: float | None = None
    aim: float | None = None
    then: float | None = None
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> bool:
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """Ours by the floor's; below 1 for a rate and above 1 for a time, unless we beat the floor."""
        return self.ours / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the aim is held; None where there is none."""
        if self.aim is None:
            return None
        return self.ours >= self.aim if self.rate else self.ours <= self.aim

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "met": self.met}

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.0%}" if self.rate else f"{self.ratio:.1f} ×"
        aim = "" if self.aim is None else f"{'≥' if self.rate else '≤'} {_shown(self.aim, self.unit)}"
        verdict = {True: "held", False: "MISSED", None: ""}[self.met]
        floor = "" if self.floor is None else _shown(self.floor, self.unit)
        return self.path, floor, _shown(self.ours, self.unit), ratio, aim, verdict


def table(rows: Sequence[Row]) -> str:
    """The rows for people, each with its note below it."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    told = [_line(HEAD, widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    for row in rows:
        told.append(_line(row.cells(), widths))
        if row.note:
            told.append(fill(row.note, WIDE, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(told)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (f"{cell:{'<' if n in (0, 5) else '>'}{widths[n]}}" for n, cell in enumerate(cells))
    return "  ".join([first, *others]).rstrip()


def _shown(number: float, unit: str) -> str:
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f} {unit}"
