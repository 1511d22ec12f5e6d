"""Docker Compose with a project, passwords, ports and an image that belong to these tests alone."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from operations.env import dotenv, new
from stack.checkout import ROOT
from stack.ports import free_port

LIMIT_SECONDS = 300
"""For each call of docker: also an image is built, and containers get healthy, within this time."""
DEFAULT_NAME = "modelog-tests"


@dataclass(frozen=True)
class Project:
    """Containers of the compose.yaml in `checkout`, under the name of this project; `env_file` is their `.env`."""

    name: str
    env_file: Path
    image: str
    checkout: Path = ROOT

    @classmethod
    def new(cls, purpose: str, folder: Path) -> Self:
        """A project without containers, whose `.env` is new, in this folder; what a killed run left is removed."""
        name = f"{os.environ.get('COMPOSE_PROJECT_NAME') or DEFAULT_NAME}-{purpose}"
        ports = {f"MODELOG_{server}_PORT": str(free_port()) for server in ("KAFKA", "POSTGRES", "S3")}
        project = cls(name, folder / ".env", f"modelog:{name}")
        project.env_file.write_text(dotenv(new() | ports | {"MODELOG_IMAGE": project.image}))
        project.remove()
        return project

    def by(self, checkout: Path) -> Self:
        """The same containers and volumes, by the compose.yaml of another commit, with an image of its own."""
        image = f"{self.image}-{checkout.name}"
        env_file = self.env_file.with_name(f"{checkout.name}.env")
        env_file.write_text(f'{self.env_file.read_text()}MODELOG_IMAGE="{image}"\n')
        return replace(self, checkout=checkout, env_file=env_file, image=image)

    def compose(self, *command: str) -> str:
        """What `docker compose` prints; raise AssertionError with that if it fails."""
        files = ("--file", str(self.checkout / "compose.yaml"), "--env-file", str(self.env_file))
        return docker("compose", "--project-name", self.name, *files, *command)

    def configuration(self) -> dict[str, Any]:
        """The containers of its compose.yaml by name, with the values of `.env`."""
        found: dict[str, Any] = json.loads(self.compose("config", "--format", "json").replace("$$", "$"))
        return dict(found["services"])

    def logs(self) -> str:
        """What its containers have printed, those that have ended too."""
        return self.compose("logs", "--no-color", "--timestamps")

    def remove(self) -> None:
        """Remove its containers, networks, volumes and images."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")
        if images := docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{self.image}*").split():
            docker("image", "rm", *images)


def docker(*command: str) -> str:
    """What `docker` prints, without this shell's settings of modelog; raise AssertionError with that if it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MODELOG_", "COMPOSE_"))}
    done = subprocess.run(
        ["docker", *command], env=env, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(command)}: {done.stdout[-3_000:]}{done.stderr[-3_000:]}"
    # `docker logs` prints what a container wrote to its standard error there.
    return done.stdout.strip() if command[0] != "logs" else done.stdout + done.stderr
