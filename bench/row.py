"""A row of the table, the table, and the file that keeps both."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import Any

WIDTH_CHARS = 116
HEAD = ("path", "floor", "peer", "ours", "ratio", "aim", "")


@dataclass(frozen=True)
class Row:
    """Our number beside that of bare drivers and of a similar library in the same run.

    A number with the unit `…/s` should be large, any other small.
    """

    path: str
    unit: str
    ours: float
    floor: float | None = None
    aim: float | None = None
    _: KW_ONLY
    peer: float | None = None
    or_floor: float | None = None
    """The share of the floor that is enough too, for a slower machine."""
    and_peer: float | None = None
    """How many times the peer's number it has to be as well."""
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> bool:
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """Our number divided by the floor's; below 1 for a rate and above 1 for a time, unless we are faster."""
        return self.ours / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where there is no aim."""
        if self.aim is None:
            return None
        met = self.ours >= self.aim if self.rate else self.ours <= self.aim
        if self.or_floor and self.ratio is not None:
            met = met or self.ratio >= self.or_floor
        if self.and_peer and self.peer is not None:
            met = met and self.ours >= self.and_peer * self.peer
        return met

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "met": self.met}

    def cells(self) -> tuple[str, ...]:
        floor, peer, ours = ("" if number is None else _shown(number) for number in (self.floor, self.peer, self.ours))
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return self.path, floor, peer, f"{ours} {self.unit}", self._compared(), self._aimed(), verdict

    def _compared(self) -> str:
        if self.ratio is None:
            return ""
        return f"{self.ratio:.0%}" if self.rate else f"{self.ratio:.{1 if self.ratio >= 0.1 else 2}f} ×"

    def _aimed(self) -> str:
        if self.aim is None:
            return ""
        aim = f"{'≥' if self.rate else '≤'} {_shown(self.aim)}"
        aim += f" or {self.or_floor:.0%} of floor" if self.or_floor else ""
        return aim + (f" and {self.and_peer:.0f} × peer" if self.and_peer else "")


def table(rows: Sequence[Row]) -> str:
    """The rows as text, each with its note below it; an empty column is left out."""
    every = [row.cells() for row in rows]
    shown = [n for n in range(len(HEAD)) if any(cells[n] for cells in every)]
    lines = [[cells[n] for n in shown] for cells in (HEAD, *every)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(shown))]
    text = [_line(lines[0], widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    for row, line in zip(rows, lines[1:], strict=True):
        text.append(_line(line, widths))
        if row.note:
            text.append(fill(row.note, WIDTH_CHARS, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(text)


def keep(file: Path, rows: Sequence[Row], **more: Any) -> None:
    """Write the rows, the time and the machine to a file."""
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"at": at, "machine": machine, **more, "rows": [row.json() for row in rows]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The path and the verdict are left-aligned, the numbers right-aligned."""
    left = ("met", "MISSED")
    aligned = (f"{cell:{'<' if n == 0 or cell in left else '>'}{widths[n]}}" for n, cell in enumerate(cells))
    return "  ".join(aligned).rstrip()


def _shown(number: float) -> str:
    digits = 0 if abs(number) >= 100 or number == int(number) else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f}"
