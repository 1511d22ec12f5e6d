"""`python -m operations COMMAND`: what operators run beside the services."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib import import_module

COMMANDS = {
    "acls": "allow in Kafka what the users of services and clients need",
    "setup": "create schema, topics and bucket where they are missing; upgrade the schema",
    "parked": "list the records that could not be read, with the reason; send them again",
    "message": "say what became of a message: the facts that answer it, or why it was parked",
    "restored": "after a restore or failover of Postgres: a new epoch, messages again, facts that were lost",
    "rebuild": "build the views again from the log, beside the old tables, then swap",
    "compose": "print compose.yaml, for a folder without a checkout",
    "env": "print a new .env for it: random passwords, and the ports",
    "generate": "write the generated files: schemas, samples, the README's table of events",
}


def main() -> int:
    """Run the named command; a failure of a server ends it with a sentence and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m operations",
        usage="python -m operations COMMAND …",
        description="What operators run beside the services; `COMMAND --help` describes a command.",
        epilog="commands:\n" + "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    command: str | None = parser.parse_args(sys.argv[1:2]).command
    if command is None:
        parser.print_help()
        return 2
    if command not in COMMANDS:
        parser.error(f"there is no command {command!r}: name any of {', '.join(COMMANDS)}")
    sys.argv[:2] = [f"python -m operations {command}"]
    return _run(command)


def _run(command: str) -> int:
    from operations.failures import explain  # noqa: PLC0415  (help needs no client of any server)
    from operations.terminal import complain  # noqa: PLC0415
    from shared.runtime.settings import settings, unknown_variables  # noqa: PLC0415

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it logs, it raises too
    if command != "generate":
        for line in unknown_variables():
            complain(line)
    try:
        return int(import_module(f"operations.{command}").main() or 0)
    except Exception as error:
        sentence = explain(error, settings())
        if sentence is None:
            raise
        complain(sentence)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
