"""`make demo`: a model's life on real servers and real services, each fact told as it passes."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from examples.cast import Cast
from examples.ground import ground
from examples.narrator import Narrator
from examples.trouble import Trouble
from shared.settings import settings
from shared.setup import setup
from stack import StackError

LAST_LINES = 6


def main() -> int:
    """Play the demo; 0 if every step happened."""
    parser = argparse.ArgumentParser(prog="make demo", description="A model's life, told as it happens.")
    parser.add_argument("--patience", type=float, default=20, help="seconds to wait for each step")
    patience = parser.parse_args().patience
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    narrator = Narrator(sys.stdout)
    try:
        play(narrator, patience)
    except (Trouble, StackError) as sentence:
        narrator.scene(f"The demo ended early: {str(sentence).rstrip('.')}.")
        return 1
    except KeyboardInterrupt:
        narrator.scene("The demo was interrupted. Nothing of it is left running or on the disk.")
        return 130
    narrator.scene(f"That was it, in {narrator.seconds:.0f} s. Nothing of it is left running or on the disk.")
    return 0


def play(narrator: Narrator, patience: float) -> None:
    """Start everybody, tell the story, end everybody."""
    narrator.aside("Starting Kafka, Postgres and S3 for this demo alone.")
    with ThreadPoolExecutor(1) as meanwhile:
        # The story's imports, scikit-learn above all, take seconds: as long as the servers take to start.
        story = meanwhile.submit(import_module, "examples.story")
        with ground() as own:
            narrator.progress("the servers answer")
            made = asyncio.run(setup(settings()))
            narrator.progress(f"schema, bucket and {sum('topic' in one for one in made)} topics are made")
            cast = Cast(Path(tempfile.mkdtemp(prefix="modelog-demo-")), own.topic_prefix)
            try:
                cast.enter()
                cast.wait(patience)
                narrator.progress(f"{', '.join(cast.actors)} run, each a process of its own")
                asyncio.run(story.result().tell(narrator, cast, own, patience))
            except Trouble:
                narrator.logs(cast.last_lines(LAST_LINES))
                raise
            finally:
                cast.leave()


if __name__ == "__main__":
    sys.exit(main())
