"""Docker's engine, its client and its plugins, built with Go where a machine has none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.cache import cache_directory, one_process_at_a_time
from stack.terminal import StackError, print_line


@dataclass(frozen=True)
class Source:
    """Programs of a Go module: their names, the packages of their `main`, and the variable that has their version."""

    module: str
    version: str
    programs: Mapping[str, str]
    version_variable: str

    @property
    def number(self) -> str:
        """The version without what Go adds to it."""
        return self.version.partition("+")[0]


MOBY = Source(
    "github.com/docker/docker",
    "v28.5.1+incompatible",
    {"dockerd": "cmd/dockerd", "docker-proxy": "cmd/docker-proxy"},
    "github.com/docker/docker/dockerversion.Version",
)
CLI = Source(
    "github.com/docker/cli",
    "v28.5.1+incompatible",
    {"docker": "cmd/docker"},
    "github.com/docker/cli/cli/version.Version",
)
COMPOSE = Source(
    "github.com/docker/compose/v2",
    "v2.40.3",
    {"cli-plugins/docker-compose": "cmd"},
    "github.com/docker/compose/v2/internal.Version",
)
BUILDX = Source(
    "github.com/docker/buildx",
    "v0.29.1",
    {"cli-plugins/docker-buildx": "cmd/buildx"},
    "github.com/docker/buildx/version.Version",
)
SOURCES = (MOBY, CLI, COMPOSE, BUILDX)
VERSIONS = "-".join(source.number.removeprefix("v") for source in SOURCES)
DEBIAN_PACKAGES = ("docker.io", "iptables")
"""Debian's engine brings containerd, runc and docker-init; it is itself too old for compose.yaml."""


def packages(*names: str) -> None:
    """Install these packages of Debian; raise StackError where that is impossible."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StackError(f"These packages are needed, and only root can install them with apt-get: {' '.join(names)}")
    print_line(f"Installing {' '.join(names)} with apt-get.")
    quietly("apt-get", "update", "--quiet")
    quietly("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *names)


def programs() -> Path:
    """The folder with `dockerd`, `docker-proxy` and `docker`, and the plugins in `cli-plugins`; built now if needed."""
    folder = cache_directory() / f"docker-{VERSIONS}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with one_process_at_a_time(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            if not shutil.which("go"):
                raise StackError(
                    "No Docker engine answers, and Go, which could build one, is not here: start an engine."
                )
            print_line(f"Building Docker's engine, client and plugins into {folder} (4 minutes, only this once).")
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
                for source in SOURCES:
                    _build(source, Path(scratch))
                Path(scratch, "programs").rename(folder)
    return folder


def _build(source: Source, scratch: Path) -> None:
    """Build the programs in a module of our own whose requirements are those of the source."""
    folder = scratch / source.module.replace("/", "-")
    folder.mkdir()
    if source.version.endswith("+incompatible"):
        _require_what_it_vendors(source, folder)
    else:
        quietly("go", "mod", "init", "scratch", folder=folder)
        main = next(iter(source.programs.values()))
        quietly("go", "get", f"{source.module}/{main}@{source.version}", folder=folder)
    # A program that does not know its own version is refused by the others.
    flags = ["-mod=mod", "-trimpath", "-ldflags", f"-s -w -X {source.version_variable}={source.number}"]
    for program, main in source.programs.items():
        output = str(scratch / "programs" / program)
        quietly("go", "build", *flags, "-o", output, f"{source.module}/{main}", folder=folder)


def _require_what_it_vendors(source: Source, folder: Path) -> None:
    """A repository without `go.mod` has its requirements in `vendor.mod`, which Go itself does not read."""
    found = quietly("go", "mod", "download", "-json", f"{source.module}@{source.version}", folder=folder)
    downloaded = Path(json.loads(found)["Dir"])
    lines = (downloaded / "vendor.mod").read_text().splitlines()
    (folder / "go.mod").write_text(
        "\n".join("module scratch" if line.startswith("module ") else line for line in lines)
    )
    (folder / "go.sum").write_bytes((downloaded / "vendor.sum").read_bytes())
    # The client is made with a commit of the engine between two versions, which need not be on a module proxy.
    for needed in (source, MOBY):
        quietly("go", "mod", "edit", "-require", f"{needed.module}@{needed.version}", folder=folder)


def quietly(*command: str, folder: Path | None = None) -> str:
    """Run a program and return what it prints; raise StackError with the end of its errors if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise StackError(f"{' '.join(command[:4])} … failed: {(done.stderr or done.stdout)[-600:].strip()}")
    return done.stdout
