"""`make demo`: a model's life on real servers and real services, each fact told as it passes."""

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
from examples.sandbox import ground
from examples.story import tell
from operations.setup import setup
from shared.runtime.settings import settings
from stack import StackError

LAST_LINES = 6


def main() -> int:
    """Play the demo; 0 if every step happened."""
    parser = argparse.ArgumentParser(prog="make demo", description="A model's life, told as it happens.")
    parser.add_argument("--patience", type=float, default=45, help="seconds to wait for each step")
    patience = parser.parse_args().patience
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("modelog").setLevel(logging.ERROR)  # of the garbage, the story tells itself
    narrator = Narrator(sys.stdout)
    try:
        play(narrator, patience)
    except (DemoError, StackError) as sentence:
        narrator.scene(f"The demo ended early: {str(sentence).rstrip('.')}.")
        return 1
    except KeyboardInterrupt:
        narrator.scene("The demo was interrupted. Nothing of it is left running or on the disk.")
        return 130
    narrator.scene(f"That was it, in {narrator.seconds:.0f} s. Nothing of it is left running or on the disk.")
    return 0


def play(narrator: Narrator, patience: float) -> None:
    """Start everybody, tell the story, end everybody."""
    narrator.aside("Starting everybody who plays, and Kafka, Postgres and S3 where the environment names none.")
    with ExitStack() as ends:
        processes = Processes()
        ends.callback(processes.leave)
        own = ends.enter_context(ground())
        ends.callback(processes.leave)  # sooner than the ground under it
        narrator.progress("the servers answer")
        try:
            made = asyncio.run(setup(settings()))
            narrator.progress(f"schema, bucket and {sum('topic' in one for one in made)} topics are there")
            processes.enter()
            processes.wait(patience)
            narrator.progress(f"{', '.join(processes.ports)} are ready, each a process of its own")
            asyncio.run(tell(narrator, processes, own, patience))
        except DemoError:
            narrator.logs(processes.last_lines(LAST_LINES))
            raise


if __name__ == "__main__":
    sys.exit(main())
