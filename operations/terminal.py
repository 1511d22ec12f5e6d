"""Lines for the person at the terminal. Names, reasons and values come from outside, so every line is escaped."""

from __future__ import annotations

import sys

from shared.runtime.terminal import escaped


def say(line: str) -> None:
    """Print a line."""
    print(escaped(line), flush=True)


def complain(line: str) -> None:
    """Print a line to standard error."""
    print(escaped(line), file=sys.stderr, flush=True)
