"""`python -m services` runs every service in one process, `python -m services NAME …` those named."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Sequence

import structlog

from services import component, names
from shared.runtime.errors import Unusable
from shared.runtime.logs import configure_logging
from shared.runtime.runtime import run
from shared.runtime.settings import settings, unknown_variables
from shared.runtime.terminal import escaped

logger = structlog.get_logger()

GC_THRESHOLDS = (50_000, 50, 100)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named services, or all, until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m services", description="Run services until SIGTERM or SIGINT.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; all if none is named: {', '.join(names())}")
    chosen = parser.parse_args(arguments).names or names()
    if unknown := [name for name in chosen if name not in names()]:
        parser.error(f"there is no service {', '.join(unknown)}: there are {', '.join(names())}")
    configure_logging()
    for sentence in unknown_variables():
        logger.warning("a variable is not used", reason=sentence)
    # A thread that computes in Python lets the event loop go on after so long; by default after 5 ms, at each turn.
    sys.setswitchinterval(0.001)
    # Histories are hundreds of thousands of small objects that stay; collecting them as often as Python does by default
    # costs a third of the time of a report (122 µs against 79 in `make bench ARGS=reports`).
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        import uvloop  # noqa: PLC0415  (not on Windows)
    except ImportError:
        start = asyncio.run
    else:
        start = uvloop.run
    try:
        start(run([component(name) for name in chosen], settings()))
    except Unusable as error:
        print(f"{escaped(str(error))}.", file=sys.stderr)
        sys.exit(error.status)


if __name__ == "__main__":
    main()
