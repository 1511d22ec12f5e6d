"""The services: a folder with an `app.py` each, a process each. None imports another; Kafka topics connect them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.runtime.runtime import Component


def names() -> list[str]:
    """The names of all services."""
    return sorted(app.parent.name for app in Path(__file__).parent.glob("*/app.py"))


def component(name: str) -> Component:
    """The service of that name, which is `service` in its `app.py`; no other is imported."""
    found: Component = import_module(f"services.{name}.app").service
    return found
