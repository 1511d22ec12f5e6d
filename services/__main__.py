"""`python -m services` runs every service in one process, `python -m services NAME …` those named."""

from __future__ import annotations

import asyncio
import gc
import sys
from importlib import import_module

from shared.runtime.runtime import Component, configure_logging, run
from shared.runtime.settings import settings

PARTS = {
    "ingestion": "service",
    "validation": "service",
    "promotion": "service",
    "retraining": "service",
    "retirement": "service",
    "relay": "relay",
    "views": "views",
}


def part(name: str) -> Component:
    """The part of that name; only what runs is imported."""
    found: Component = getattr(import_module(f"services.{name}.app"), PARTS[name])
    return found


def main(names: list[str]) -> None:
    """Run the named services, or all, until the process is told to stop."""
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"There is no service {', '.join(unknown)}. Name any of {', '.join(PARTS)}, or none for all of them.")
    configure_logging()
    told = settings()
    # Histories are hundreds of thousands of small objects that stay; looking through them as often as Python does by
    # default costs a third of the time of a report (122 µs against 79 in `make bench ARGS=reports`).
    gc.set_threshold(50_000, 50, 100)
    try:
        import uvloop  # noqa: PLC0415  (not on Windows)
    except ImportError:
        start = asyncio.run
    else:
        start = uvloop.run
    start(run([part(name) for name in names or PARTS], told))


if __name__ == "__main__":
    main(sys.argv[1:])
