"""Many sentences in one field of a fact."""

from collections.abc import Sequence

MAX_SENTENCES = 10


def join_limited(sentences: Sequence[str], between: str = "; ") -> str:
    """The first ten of them, and how many more there are."""
    more = f"{between}and {len(sentences) - MAX_SENTENCES} more" if len(sentences) > MAX_SENTENCES else ""
    return between.join(sentences[:MAX_SENTENCES]) + more


def shown(text: str) -> str:
    """Text from outside in a sentence that a log can hold: short, and without control characters."""
    return repr(text if len(text) <= 200 else text[:200] + "…")
