"""What the stack says to people."""

import sys
from collections.abc import Callable


class StackError(Exception):
    """A sentence for whoever waits at the terminal: what is wrong, and what to do."""


Say = Callable[[str], None]


def say(sentence: str) -> None:
    """Tell the terminal what takes its time, without disturbing what is printed as a result."""
    print(sentence, file=sys.stderr, flush=True)
