"""A copy of this checkout in a folder of its own, with containers, volumes and an image of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OTHERS = shutil.ignore_patterns(".git", ".venv", ".modelog", ".env", "__pycache__", ".*_cache", ".hypothesis")
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Checkout:
    """Where it is, and the name of its containers, which is the tag of its image too."""

    folder: Path
    project: str

    @property
    def image(self) -> str:
        """The name of the image that its containers run."""
        return f"modelog:{self.project}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a person's shell that has no addresses."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("MODELOG_", "COMPOSE_"))}

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program here."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def python(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run this checkout's Python, as its Makefile does."""
        # An engine under load may take longer to answer than `make up` waits before it starts servers without it.
        return self.run(sys.executable, *arguments, env={"MODELOG_STACK": "docker"} | dict(env or {}))

    def make(self, target: str, *arguments: str) -> str:
        """What `make up` or `make down` prints; it must succeed."""
        chosen = {"COMPOSE_PROJECT_NAME": self.project, "MODELOG_IMAGE": self.image}
        ended = self.python("-m", "stack", target, *arguments, env=chosen)
        assert ended.returncode == 0, ended.stderr
        return ended.stderr + ended.stdout

    def docker(self, *arguments: str) -> str:
        """What docker prints; it must succeed."""
        ended = self.run("docker", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def compose(self, *arguments: str) -> str:
        """What `docker compose` prints, with nothing but the `.env`."""
        return self.docker("compose", *arguments)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What `docker inspect` has of each container, by service."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self.docker("inspect", *ids)) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}


@contextmanager
def checkout(folder: Path) -> Iterator[Checkout]:
    """A copy for the time of the block; containers, volumes and image are removed at its end."""
    shutil.copytree(ROOT, folder, ignore=OTHERS)
    made = Checkout(folder, f"modelog-test-{secrets.token_hex(3)}")
    try:
        yield made
    finally:
        if (folder / ".env").exists():
            made.run("docker", "compose", "down", "--volumes", "--timeout", "5")
        made.run("docker", "image", "rm", "--force", made.image)
