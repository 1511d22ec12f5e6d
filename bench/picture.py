"""`python -m bench.picture`: the numbers of `make bench` as a picture.

Written by hand: on a log axis only points can be compared, because a bar has no zero to begin at. pygal, the small
library for this, draws bars or lines, begins the axis at the smallest value, and cannot put two panels in a file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

WIDTH_PX, LEFT_PX, RIGHT_PX, STEP_PX = 880, 330, 730, 30
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 15px } .soft { fill: #59636e; font-size: 12px } .number { font-weight: 600 }
.paper { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .aim { stroke: #9a6700; stroke-width: 2 }
.floor { fill: #818b98; stroke: #818b98 } .peer { fill: #bc4c00; stroke: #bc4c00 }
.ours { fill: #0969da; stroke: #0969da } .span { stroke-width: 3; stroke-linecap: round } .end { stroke-width: 2 }
.hollow { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .soft { fill: #9198a1 } .paper { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d }
  .aim { stroke: #d29922 } .peer { fill: #f0883e; stroke: #f0883e } .ours { fill: #4493f8; stroke: #4493f8 }
  .hollow { fill: #0d1117 }
}
"""
LEGEND = (("ours", "modelog"), ("peer", "eventsourcing, the library"), ("floor", "bare drivers"), ("aim", "aim"))


Mark = tuple[str, float, float | None, float]
"""A kind, its number, the number at which its line ends if it has a line, and pixels below the middle."""
Line = tuple[str, str, list[Mark]]
"""A path, our number as text, and its marks."""


def draw(file: Path, to: Path) -> None:
    """Write an SVG with a panel for rates and a panel for latencies."""
    kept = json.loads(file.read_text())
    rows: dict[str, Mapping[str, Any]] = {row["path"]: row for row in kept["rows"]}
    rates = [_rate(row) for row in rows.values() if row["unit"].endswith("/s") and row["aim"]]
    heads = [path.removesuffix(", p50") for path in rows if path.endswith(", p50")]
    waits = [_wait(head, rows[f"{head}, p50"], rows[f"{head}, p99"]) for head in heads if f"{head}, p99" in rows]
    parts, y = _legend(), 62.0
    for head, hint, lines in (
        ("In a second", "more is better →", rates),
        ("Milliseconds, p50 ● to p99 ○", "← less is better; the aim is for p99", waits),
    ):
        if lines:
            parts += [_text(20, y, head, "head"), _text(LEFT_PX, y, hint, "soft"), *_panel(lines, y + 16)]
            y += 64 + STEP_PX * len(lines)
    by = f"make bench, {kept['at'][:10]}: servers, services and load share {kept['machine']['cores']} cores."
    frame = f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH_PX - 1}" height="{y + 17}" rx="6"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {y + 18}" width="{WIDTH_PX}" role="img">'
    title = "<title>modelog beside a library like it and beside bare drivers</title>"
    to.parent.mkdir(parents=True, exist_ok=True)
    style = f"<style>{STYLE}</style>"
    to.write_text("\n".join([svg, title, style, frame, *parts, _text(20, y, by, "soft"), "</svg>"]) + "\n")


def _rate(row: Mapping[str, Any]) -> Line:
    marks: list[Mark] = [(kind, row[kind], None, 0) for kind in ("aim", "floor", "peer", "ours") if row[kind]]
    return row["path"], f"{row['ours']:,.0f} {row['unit']}", marks


def _wait(path: str, p50: Mapping[str, Any], p99: Mapping[str, Any]) -> Line:
    marks: list[Mark] = [("aim", p99["aim"], None, 0)] if p99["aim"] else []
    marks += [(kind, p50[kind], p99[kind], down) for kind, down in (("floor", -5), ("ours", 4)) if p50[kind]]
    return path, f"{p50['ours']:,.1f} / {p99['ours']:,.1f} ms", marks


def _panel(lines: Sequence[Line], top: float) -> list[str]:
    """The lines, and behind them a grid from the decade below the least number to the decade above the greatest."""
    numbers = [number for *_, marks in lines for _, at, end, _ in marks for number in (at, end) if number]
    low, high = floor(log10(min(numbers))), ceil(log10(max(numbers)))
    bottom = top + STEP_PX * len(lines)

    def x(number: float) -> float:
        return round(LEFT_PX + (log10(number) - low) / max(1, high - low) * (RIGHT_PX - LEFT_PX), 1)

    drawn = []
    for power in range(low, max(high, low + 1) + 1):
        at = x(10.0**power)
        drawn.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{top - 4}" y2="{bottom}"/>')
        drawn.append(_text(at, bottom + 16, f"{10.0**power:,.10g}", "soft", "middle"))
    for n, (path, number, marks) in enumerate(lines):
        y = top + STEP_PX * (n + 0.5)
        drawn += [_text(20, y + 4, path), _text(WIDTH_PX - 20, y + 4, number, "number", "end")]
        drawn += [_mark(kind, x(at), y + down, x(end) if end else None) for kind, at, end, down in marks]
    return drawn


def _legend() -> list[str]:
    drawn, at = [], 20.0
    for kind, name in LEGEND:
        drawn += [_mark(kind, at + 5, 26), _text(at + 17, 30, name)]
        at += 40 + 7 * len(name)
    return drawn


def _mark(kind: str, x: float, y: float, end: float | None = None) -> str:
    if kind == "aim":
        return f'<line class="aim" x1="{x}" x2="{x}" y1="{y - 10}" y2="{y + 10}"/>'
    if kind == "peer":
        return f'<path class="peer" d="M{x} {y - 6} l6 6 l-6 6 l-6 -6 z"/>'
    point = f'<circle class="{kind}" cx="{x}" cy="{y}" r="{6 if kind == "ours" else 5}"/>'
    if end is None:
        return point
    line = f'<line class="{kind} span" x1="{x}" x2="{end}" y1="{y}" y2="{y}"/>'
    return f'{line}{point}<circle class="{kind} end hollow" cx="{end}" cy="{y}" r="4.5"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def main() -> None:
    """Draw the numbers of a file."""
    parser = argparse.ArgumentParser(description="Draw the numbers of `make bench`.")
    parser.add_argument("numbers", nargs="?", type=Path, default=Path(".modelog/bench.json"))
    parser.add_argument("picture", nargs="?", type=Path, default=Path("docs/bench.svg"))
    arguments = parser.parse_args()
    draw(arguments.numbers, arguments.picture)
    print(f"Drawn in {arguments.picture}.")


if __name__ == "__main__":
    main()
