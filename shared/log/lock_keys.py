"""Advisory locks of followers: one process at a time does the work of each. Keys never change.

The log's horizon locks and the migrations have keys of their own, which begin with another number.
"""

from __future__ import annotations

from hashlib import sha256

FOLLOWERS = 24302

LockKey = tuple[int] | tuple[int, int]
"""One bigint or two ints, as Postgres takes them."""

BUILDER: LockKey = (FOLLOWERS, 1)
"""For the process that builds tables of views."""

FIRST_FOLLOWERS: dict[str, LockKey] = {"relay": (FOLLOWERS,), "views": (FOLLOWERS, 2)}
"""The keys of the followers that are older than the rule below."""


def lock_key(follower: str) -> LockKey:
    """The key of this follower: derived from its name, so two names have the same key with a chance of 1 in 2^30."""
    derived = int.from_bytes(sha256(follower.encode()).digest()[:4], "big") % 2**30 + 2**30
    return FIRST_FOLLOWERS.get(follower, (FOLLOWERS, derived))
