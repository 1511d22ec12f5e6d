"""`make demo`: the life of a model on real servers and real services, each event printed as it passes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import ExitStack

from examples.errors import DemoError
from examples.narrator import Narrator
from examples.processes import Processes
from examples.sandbox import demo_sandbox
from examples.story import tell
from stack import StackError

LAST_LINES = 6


def main() -> int:
    """Run the demo; return 0 if every step happened."""
    parser = argparse.ArgumentParser(prog="make demo", description="The life of a model, printed as it happens.")
    parser.add_argument("--patience", type=float, default=45, help="seconds to wait for each step")
    seconds = parser.parse_args().patience
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("modelog").setLevel(logging.ERROR)  # the story reports the garbage itself
    narrator = Narrator(sys.stdout)
    try:
        run(narrator, seconds)
    except (DemoError, StackError) as error:
        narrator.scene(f"The demo ended early: {str(error).rstrip('.')}.")
        return 1
    except KeyboardInterrupt:
        narrator.scene("The demo was interrupted. All its processes have ended, all its files are deleted.")
        return 130
    narrator.scene(f"Done in {narrator.seconds:.0f} s. All its processes have ended, all its files are deleted.")
    return 0


def run(narrator: Narrator, seconds: float) -> None:
    """Start all processes, tell the story, end all processes."""
    narrator.aside("Starting Kafka, Postgres and S3, unless the environment names them, then the services.")
    with ExitStack() as ends:
        processes = Processes()
        ends.callback(processes.stop)
        sandbox = ends.enter_context(demo_sandbox())
        ends.callback(processes.stop)  # before the servers that they use
        narrator.progress("the servers answer")
        try:
            made = asyncio.run(sandbox.set_up())
            narrator.progress(f"schema, bucket and {sum('topic' in sentence for sentence in made)} topics are made")
            processes.start_services(seconds)
            narrator.progress(f"{', '.join(processes.ports)} are ready, each in its own process")
            asyncio.run(tell(narrator, processes, sandbox.addresses, seconds))
        except DemoError:
            narrator.logs(processes.last_lines(LAST_LINES))
            raise


if __name__ == "__main__":
    sys.exit(main())
