"""`make demo`: a model's life on real servers and real services, each fact told as it passes."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from examples.cast import Cast
from examples.ground import ground
from examples.narrator import Narrator
from examples.story import Story
from examples.trouble import Trouble
from shared.settings import settings
from shared.setup import setup
from stack import StackError
from stack.account import throwaway


def main() -> int:
    """Play the demo; 0 if every step happened."""
    parser = argparse.ArgumentParser(prog="make demo", description="A model's life, told as it happens.")
    parser.add_argument("--patience", type=float, default=20, help="seconds to wait for each step")
    patience = parser.parse_args().patience
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    narrator, began = Narrator(sys.stdout), time.monotonic()
    try:
        play(narrator, patience)
    except (Trouble, StackError) as sentence:
        narrator.scene(f"The demo ended early: {sentence}.")
        return 1
    except KeyboardInterrupt:
        narrator.scene("The demo was interrupted; nothing of it is left.")
        return 130
    narrator.scene(f"That was it, in {time.monotonic() - began:.0f} s. Nothing of it is left running or on the disk.")
    return 0


def play(narrator: Narrator, patience: float) -> None:
    """Start everybody, tell the story, end everybody."""
    narrator.aside("Starting Kafka, Postgres and S3, then every service as a process of its own.")
    with ThreadPoolExecutor(1) as aside, timed(narrator) as took:
        # scikit-learn takes seconds to import: meanwhile, the servers start.
        learning = aside.submit(import_module, "examples.story")
"""
