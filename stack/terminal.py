"""The output of the stack, and its error."""

import sys


class StackError(Exception):
    """A sentence for the person at the terminal: what is wrong, and what to do."""


def print_line(sentence: str) -> None:
    """Print progress to stderr; stdout is for results."""
    print(sentence, file=sys.stderr, flush=True)
