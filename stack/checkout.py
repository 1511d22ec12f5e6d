"""What `make up` leaves in the checkout: the folder .modelog."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from stack.secret import write_privately
from stack.selection import Source

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".modelog"
DATA = FOLDER / "data"
ENV = FOLDER / "env"
CLIENTS_ENV = FOLDER / "clients.env"
LOCK = FOLDER / "lock"
RECORD = FOLDER / "up.json"
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
        return cls(source, pid, psutil.Process(pid).create_time())

    @property
    def process(self) -> psutil.Process | None:
        """The process while it runs; None if another process has the same id by now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


def read_record() -> Record | None:
    """The daemon that the last `up` started and no `down` has ended."""
    return Record(**json.loads(RECORD.read_text())) if RECORD.exists() else None


def write_record(record: Record) -> None:
    """Write down what `up` started."""
    write_privately(RECORD, json.dumps(asdict(record)))


def read_env() -> dict[str, str]:
    """The variables that `up` wrote."""
    return dict(line.split("=", 1) for line in ENV.read_text().splitlines())


def write_env(env: Mapping[str, str], file: Path = ENV) -> None:
    """Write the addresses as KEY=VALUE, readable by their owner only."""
    write_privately(file, "".join(f"{key}={value}\n" for key, value in env.items()))


def forget() -> None:
    """Delete what `up` wrote; the data stays."""
    ENV.unlink(missing_ok=True)
    CLIENTS_ENV.unlink(missing_ok=True)
    RECORD.unlink(missing_ok=True)
