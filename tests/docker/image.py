"""The image as tests see it: how it is built, and what a program in it prints."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
UNREACHABLE = {
    "MODELOG_KAFKA_SERVERS": "127.0.0.1:1",
    "MODELOG_POSTGRES_URL": "postgresql://modelog_app@127.0.0.1:1/modelog",
    "MODELOG_S3_ENDPOINT": "http://127.0.0.1:1",
    "MODELOG_S3_ACCESS_KEY": "modelog",
    "MODELOG_S3_SECRET_KEY": "secret",
}
"""Settings with which a service starts and then waits, because no server answers."""
BOUND = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""What compose.yaml takes from each container."""


def docker(*arguments: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run docker in a folder, to its end."""
    return subprocess.run(["docker", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def printed(result: subprocess.CompletedProcess[str]) -> str:
    """What a program printed; AssertionError with its errors when it failed."""
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


@dataclass(frozen=True)
class Image:
    """An image in the engine."""

    name: str

    def inspect(self) -> dict[str, Any]:
        """What the engine knows of it."""
        (found,) = json.loads(printed(docker("image", "inspect", self.name)))
        return dict(found)

    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.inspect()["Config"]["Labels"])

    def run(self, *arguments: str, options: tuple[str, ...] = BOUND) -> subprocess.CompletedProcess[str]:
        """Run it with these arguments, as `docker run` does."""
        return docker("run", "--rm", *options, self.name, *arguments)

    def python(self, code: str, *, executable: str = "python") -> str:
        """What Python in the image prints for this code."""
        return printed(self.run("-c", code, options=(*BOUND, "--entrypoint", executable)))

    def shell(self, line: str) -> str:
        """What a shell in the image prints for this line."""
        return printed(self.run("-c", line, options=(*BOUND, "--entrypoint", "sh")))


def build(name: str, *options: str, folder: Path = ROOT) -> Image:
    """The image of the checkout in `folder`, built by `make image`."""
    made = subprocess.run(
        ["make", "image", f"MODELOG_IMAGE={name}", f"ARGS={' '.join(options)}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    printed(made)
    return Image(name)
