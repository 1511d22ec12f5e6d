"""Many sentences as one that a fact can hold."""

from collections.abc import Sequence

SHOWN = 10


def join_limited(sentences: Sequence[str], between: str = "; ") -> str:
    """The first of them, and how many more there are."""
    more = f"{between}and {len(sentences) - SHOWN} more" if len(sentences) > SHOWN else ""
    return between.join(sentences[:SHOWN]) + more
