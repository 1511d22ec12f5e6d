"""The containers with the label of a run, by the program `docker`."""

from __future__ import annotations

import subprocess

from stack import reaper


def labelled(stack: str) -> list[str]:
    """Their ids, those that have ended too."""
    return docker("ps", "--all", "--quiet", "--filter", f"label={reaper.STACK}={stack}").split()


def docker(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(["docker", *command], capture_output=True, text=True, check=True).stdout.strip()
