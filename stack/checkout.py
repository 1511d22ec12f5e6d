"""What `make up` leaves in the checkout: the folder .modelog."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from stack.secret import write_privately
from stack.selection import Source
from stack.supervisor.identity import Identity

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".modelog"
DATA = FOLDER / "data"
ENV = FOLDER / "env"
CLIENTS_ENV = FOLDER / "clients.env"
LOCK = FOLDER / "lock"
RECORD = FOLDER / "up.json"
REPAIR = FOLDER / "repair.json"
SERVICES = FOLDER / "services.json"
SERVICES_LOG = FOLDER / "services.log"
STACK_LOG = FOLDER / "stack.log"


@dataclass(frozen=True)
class Record:
    """The daemon that `up` started, identified by its process id and its start time."""

    source: Source
    pid: int
    started: float

    @classmethod
    def of(cls, source: Source, pid: int) -> "Record":
        """The record of a process that runs now."""
        return cls(source, **asdict(Identity.of(pid)))

    @property
    def process(self) -> psutil.Process | None:
        """The process while it runs; None if another process has the same id by now."""
        return Identity(self.pid, self.started).process


@dataclass(frozen=True)
class Repair:
    """What the daemon did when `up` asked it to look: a sentence for each repair, and why the last failed, if so."""

    sentences: Sequence[str]
    failure: str | None = None


def read_record() -> Record | None:
    """The daemon that the last `up` started and no `down` has ended."""
    try:
        return Record(**json.loads(RECORD.read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # a full disk leaves half a file
        return None


def write_record(record: Record) -> None:
    """Write down what `up` started."""
    write_privately(RECORD, json.dumps(asdict(record)))


def write_repair(repair: Repair) -> None:
    """Answer `up`, which waits for this file."""
    write_privately(REPAIR, json.dumps(asdict(repair)))


def read_repair() -> Repair | None:
    """The answer of the daemon, once it is there."""
    return Repair(**json.loads(REPAIR.read_text())) if REPAIR.exists() else None


def read_env() -> dict[str, str]:
    """The variables that `up` wrote."""
    pairs = (line.partition("=") for line in ENV.read_text().splitlines())
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def write_env(env: Mapping[str, str], file: Path = ENV) -> None:
    """Write the addresses as KEY=VALUE, quoted as in a shell where they need it, readable by their owner only."""
    write_privately(file, "".join(f"{key}={shlex.quote(value) if value else ''}\n" for key, value in env.items()))


def forget() -> None:
    """Delete what `up` wrote; the data stays."""
    ENV.unlink(missing_ok=True)
    CLIENTS_ENV.unlink(missing_ok=True)
    RECORD.unlink(missing_ok=True)
    REPAIR.unlink(missing_ok=True)
