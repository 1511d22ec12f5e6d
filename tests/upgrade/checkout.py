"""Another commit of this repository, with an environment of its own, whose setup and services can be run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.addresses import VARIABLES
from tests.e2e.process import ServiceProcess

ROOT = Path(__file__).parents[2]
SERVICE, OWNER, READER = (VARIABLES[login] for login in ("postgres", "postgres_owner", "postgres_reader"))
SNAPSHOT_OFTEN = """
try: import shared.handling as handler
except ImportError: import shared.deciding.command_handler as handler
handler.EVERY = handler.SNAPSHOT_FACTS = 30
try: import shared.deciding.snapshots as snapshots; snapshots.SNAPSHOT_FACTS = 30
except ImportError: pass
"""
"""To be run first by a process whose snapshots shall come early, whatever its commit calls the limit."""
ALL_SERVICES = "import sys; from services.__main__ import main; main(sys.argv[1:])"


@dataclass(frozen=True)
class Checkout:
    """A clone of this repository. Its modules are found there, whatever the working directory is."""

    folder: Path

    @classmethod
    def of(cls, commit: str, clones: Path) -> Checkout:
        """The commit, cloned into `clones` and installed, unless it is there; raise CalledProcessError if it fails."""
        sha = _run("git", "-C", str(ROOT), "rev-parse", "--short", f"{commit}^{{commit}}").strip()
        folder = clones / sha
        if not folder.exists():
            clones.mkdir(parents=True, exist_ok=True)
            _run("git", "clone", "--quiet", "--no-checkout", str(ROOT), str(folder))
        _run("git", "-C", str(folder), "checkout", "--quiet", "--detach", sha)
        _run("make", "-C", str(folder), "--silent", ".venv/ready")
        return cls(folder)

    @property
    def name(self) -> str:
        """The commit, abbreviated."""
        return self.folder.name

    @property
    def services(self) -> list[str]:
        """The names of its services."""
        return sorted(app.parent.name for app in self.folder.glob("services/*/app.py"))

    def set_up(self, env: Mapping[str, str]) -> None:
        """Create schema, topics and bucket as this commit does."""
        module = "operations" if (self.folder / "operations").exists() else "shared.setup"
        _run(*self._python("-m", module, *(["setup"] if module == "operations" else [])), env=self._env(env))

    def start(self, names: tuple[str, ...], env: Mapping[str, str], log: Path, first: str = "") -> ServiceProcess:
        """A process of these services, or of all; `first` is Python that it runs before."""
        return _OldProcess(self._python("-c", f"{first}\n{ALL_SERVICES}", *names), self._env(env), log)

    def _python(self, *arguments: str) -> list[str]:
        return [str(self.folder / ".venv/bin/python"), "-P", *arguments]

    def _env(self, env: Mapping[str, str]) -> Mapping[str, str]:
        return os.environ | env | {"PYTHONPATH": str(self.folder)}


def as_the_owner(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of an installation with a single login."""
    kept = {name: value for name, value in env.items() if name not in (OWNER, READER)}
    return kept | {SERVICE: env[OWNER]}


class _OldProcess(ServiceProcess):
    def is_ready(self) -> bool:
        """Older commits answer /readyz with text; the status of the answer is the same."""
        try:
            return bool(self.health and self.get("/readyz"))
        except OSError:
            return False


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    # `make` hands its own variables down, and those of this environment name this checkout's Python.
    env = {name: value for name, value in (env or os.environ).items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
