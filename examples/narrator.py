"""The output of the demo: colours, wrapping and a box on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import textwrap
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Literal, TextIO

import psutil

from shared.runtime.terminal import escaped

Tone = Literal["plain", "good", "bad", "dim", "bold"]
CODES: dict[Tone, str] = {"plain": "0", "good": "32", "bad": "33", "dim": "2", "bold": "1"}
TABLE_COLUMNS = 200
"""The width of a table where there is no terminal."""
MIN_CELL_COLUMNS = 12
"""The width that a cell keeps on a narrow terminal."""
MARGIN_COLUMNS = 36
"""The columns in front of a sentence: the time, and the name of the event."""


class Narrator:
    """Writes the story to a stream. Text comes from events, which anybody may publish, so all of it is escaped."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.rich = out.isatty() and os.environ.get("TERM") != "dumb"
        self.coloured = self.rich and not os.environ.get("NO_COLOR")
        self.width = shutil.get_terminal_size().columns if self.rich else None

    @property
    def seconds(self) -> float:
        """How long this process has run, its imports included."""
        return time.time() - psutil.Process().create_time()

    def progress(self, sentence: str) -> None:
        """A step of the preparation."""
        self.aside(f"  {self.seconds:4.1f} s  {sentence}")

    def logs(self, lines: Mapping[str, Sequence[str]]) -> None:
        """The last log lines of the processes."""
        for name, last in lines.items():
            self.scene(f"The log of {name} ends with" if last else f"The log of {name} is empty")
            for line in last:
                self.aside(f"  {line}")

    def command(self, *argv: str) -> None:
        """A command that the reader could type too."""
        self.aside(f"  $ python -m examples.{shlex.join(argv)}")

    def scene(self, sentence: str) -> None:
        """The title of a scene."""
        self._write("")
        self._write(self._paint(sentence, "bold"))

    def aside(self, sentence: str) -> None:
        """A line in dim text."""
        self._write(self._paint(sentence, "dim"))

    def event(self, seconds: float, name: str, sentence: str, tone: Tone = "plain") -> None:
        """An event: the time since the first message of its chain, its name, and its meaning."""
        room = max(self.width - MARGIN_COLUMNS, 30) if self.width else None
        sentence = escaped(sentence)
        first, *rest = textwrap.wrap(sentence, room) if room else [sentence]
        self._write(
            f"  {self._paint(f'{seconds * 1000:+6.0f} ms', 'dim')}  {self._paint(f'{name:<22}', tone)}  {first}"
        )
        for line in rest:
            self._write(" " * MARGIN_COLUMNS + line)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under their heads; text that is too wide is wrapped."""
        rows = [[escaped(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        while sum(widths) + 3 * len(widths) + 1 > (self.width or TABLE_COLUMNS) and max(widths) > MIN_CELL_COLUMNS:
            widths[widths.index(max(widths))] -= 1
        bar, dash, crosses = ("│", "─", ("┌┬┐", "├┼┤", "└┴┘")) if self.rich else ("|", "-", ("", "|||", ""))

        def rule(cross: str) -> None:
            if cross:
                self._write(cross[0] + cross[1].join(dash * (width + 2) for width in widths) + cross[2])

        def line(cells: Sequence[str]) -> None:
            wrapped = [textwrap.wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
            for parts in zip_longest(*wrapped, fillvalue=""):
                padded = (f" {part:<{width}} " for part, width in zip(parts, widths, strict=True))
                self._write(bar + bar.join(padded) + bar)

        rule(crosses[0])
        line(head)
        rule(crosses[1])
        for row in rows:
            line(row)
        rule(crosses[2])

    def _paint(self, text: str, tone: Tone) -> str:
        text = escaped(text)
        return f"\033[{CODES[tone]}m{text}\033[0m" if self.coloured and tone != "plain" else text

    def _write(self, line: str) -> None:
        print(line.rstrip(), file=self.out, flush=True)
