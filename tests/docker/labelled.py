"""The containers with the label of a run, by the program `docker`."""

from __future__ import annotations

from stack import reaper
from tests.docker.project import docker


def labelled(stack: str) -> list[str]:
    """Their ids, those that have ended too."""
    return docker("ps", "--all", "--quiet", "--filter", f"label={reaper.STACK}={stack}").split()
