"""What the image runs: `services …` or `operations …`, as `python -m` runs them, and SIGTERM ends either."""

from __future__ import annotations

import os
import runpy
import signal
import sys

PROGRAMS = ("services", "operations")
USAGE = "expected `services [NAME …]` or `operations COMMAND …`; add --help to either for its names"


def main() -> None:
    """Run the program that the first argument names; for an unknown name print a sentence and exit with status 2."""
    # Linux drops SIGTERM of a container's first process where it has no handler: this handler does what the signal does
    # to any other process. An exception could be lost in an import. Services replace it when they are loaded.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    program = sys.argv[1] if len(sys.argv) > 1 else ""
    if program in {"-h", "--help"}:
        print(f"{USAGE}.")
    elif program not in PROGRAMS:
        print(f"{USAGE}, found {program!r}.", file=sys.stderr)
        sys.exit(2)
    else:
        del sys.argv[1]
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
