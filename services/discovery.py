"""Which services there are: each folder with an `app.py`, whose `service` is what runs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from shared.runtime.runtime import Component


def names() -> list[str]:
    """The names of all services."""
    return sorted(app.parent.name for app in Path(__file__).parent.glob("*/app.py"))


def component(name: str) -> Component:
    """The service of that name; no other is imported."""
    found: Component = import_module(f"services.{name}.app").service
    return found
