"""Python programs in processes of their own, which print what they see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

LIMIT_SECONDS = 60
READY = "ready"
BEGINNING = """
import asyncio, logging, os, sys, threading, traceback, warnings
from modelog import PromotionRequested, Registry, SyncRegistry

# When a topic or a group is new, Kafka's clients log that they ask again.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
# Python warns since 3.12 that locks of other threads stay locked in a fork.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

def requested(version):
    return PromotionRequested(model="fraud", version=version, by="mira")

def read(registry):
    messages = registry.subscribe(PromotionRequested, group=None, until="now")
    return sorted({message.event.version for message in messages})
"""
"""Of each program."""


def process(program: str, variables: Mapping[str, str], *options: str) -> subprocess.Popen[str]:
    """The program, with these MODELOG_* variables and no others."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MODELOG_")}
    return subprocess.Popen(
        [sys.executable, *options, "-c", BEGINNING + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**others, **variables},
    )


def run(program: str, variables: Mapping[str, str], *options: str) -> tuple[int, str, str]:
    """Its exit status, its output and its errors, when it has ended."""
    return ended(process(program, variables, *options))


def interrupt(program: str, variables: Mapping[str, str], *options: str) -> tuple[int, str, str]:
    """The same, when it gets Ctrl-C after it printed READY."""
    running = process(program, variables, *options)
    assert running.stdout is not None
    line = running.stdout.readline().strip()
    if line == READY:
        running.send_signal(signal.SIGINT)
    return ended(running)


def ended(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    """What came of it, within LIMIT_SECONDS."""
    try:
        output, errors = running.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise
    return running.returncode, output.strip(), errors.strip()
