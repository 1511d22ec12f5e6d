"""The groups of subscriptions: those who share the messages of their topics."""

from __future__ import annotations

SERVICES = frozenset(
    {"ingestion", "validation", "promotion", "retraining", "retirement", "relay", "views", "parked"}
    | {"catalogue", "access", "api", "dashboard"}  # planned
)
"""The services of modelog: another member of the group of a service would take messages from it."""


def check_group(group: str | None, until: str | None) -> None:
    """Raise ValueError for a group with an end, and for a group of the name of a service."""
    if group is not None and until is not None:
        raise ValueError("a group has no end, because its other members continue: leave out `group` or `until`")
    if group in SERVICES:
        raise ValueError(
            f"expected a group of your own, found {group!r}, which is that of a service of modelog and would take "
            f"messages from it: use another name, for example my-{group}"
        )
