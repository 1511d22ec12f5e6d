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

WIDE = 116
HEAD = ("path", "floor", "peer", "ours", "ratio", "aim", "")


@dataclass(frozen=True)
class Row:
    """What we take beside what bare drivers and a library like us take in the same run.

    A unit of `…/s` should be large, every other one small.
    """

    path: str
    unit: str
    ours: float
    floor: float | None = None
    aim: float | None = None
    _: KW_ONLY
    peer: float | None = None
    or_floor: float | None = None
    """The share of the floor that will do as well, for a slower machine."""
    and_peer: float | None = None
    """How many times the peer it has to be besides."""
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
        held = self.ours >= self.aim if self.rate else self.ours <= self.aim
        if self.or_floor and self.ratio is not None:
            held = held or self.ratio >= self.or_floor
        if self.and_peer and self.peer is not None:
            held = held and self.ours >= self.and_peer * self.peer
        return held

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "met": self.met}

    def cells(self) -> tuple[str, ...]:
        floor, peer, ours = ("" if one is None else _shown(one) for one in (self.floor, self.peer, self.ours))
        verdict = {True: "held", False: "MISSED", None: ""}[self.met]
        return self.path, floor, peer, f"{ours} {self.unit}", self._compared(), self._aimed(), verdict

    def _compared(self) -> str:
        if self.ratio is None:
            return ""
        return f"{self.ratio:.0%}" if self.rate else f"{self.ratio:.{1 if self.ratio >= 0.1 else 2}f} ×"

    def _aimed(self) -> str:
        if self.aim is None:
            return ""
        told = f"{'≥' if self.rate else '≤'} {_shown(self.aim)}"
        told += f" or {self.or_floor:.0%} of floor" if self.or_floor else ""
        return told + (f" and {self.and_peer:.0f} × peer" if self.and_peer else "")


def table(rows: Sequence[Row]) -> str:
    """The rows for people, each with its note below it; a column that nothing fills is left out."""
    every = [row.cells() for row in rows]
    shown = [n for n in range(len(HEAD)) if any(cells[n] for cells in every)]
    lines = [[cells[n] for n in shown] for cells in (HEAD, *every)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(shown))]
    told = [_line(lines[0], widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    for row, line in zip(rows, lines[1:], strict=True):
        told.append(_line(line, widths))
        if row.note:
            told.append(fill(row.note, WIDE, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(told)


def keep(file: Path, rows: Sequence[Row], **more: Any) -> None:
    """Write all that was found, when and on what."""
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"at": at, "machine": machine, **more, "rows": [row.json() for row in rows]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The path and the verdict stand left, the numbers right."""
    left = ("held", "MISSED")
    told = (f"{cell:{'<' if n == 0 or cell in left else '>'}{widths[n]}}" for n, cell in enumerate(cells))
    return "  ".join(told).rstrip()


def _shown(number: float) -> str:
    digits = 0 if abs(number) >= 100 or number == int(number) else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f}"
