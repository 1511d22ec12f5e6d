"""`python -m operations COMMAND`: what operators run beside the services."""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = {
    "setup": "make schema, topics and bucket where they are missing",
    "parked": "list what could not be read and why, and send it again",
    "rebuild": "build views again from the log beside the old tables, compare, swap",
}


def main() -> int:
    """Run the command that is named; list them if none is."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        sys.argv[:2] = [f"python -m operations {name}"]
        return int(import_module(f"operations.{name}").main() or 0)
    print("python -m operations COMMAND …\n", *(f"  {command:9}{text}" for command, text in COMMANDS.items()), sep="\n")
    return 0 if name in ("--help", "-h") else 2


if __name__ == "__main__":
    sys.exit(main())
