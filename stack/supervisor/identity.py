"""A process that is found again by another: its id may belong to a new process by then."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from stack.secret import write_privately
from stack.terminal import StackError


@dataclass(frozen=True)
class Identity:
    """The id of a process and its start, in seconds since 1970."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """The identity of a process that runs now."""
        return cls(pid, psutil.Process(pid).create_time())

    @property
    def process(self) -> psutil.Process | None:
        """The process while it runs; None if another process has the same id by now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None

    def write(self, file: Path) -> None:
        """Keep it in this file."""
        write_privately(file, json.dumps(asdict(self)))


def wait_for_earlier(name: str, file: Path, seconds: float) -> None:
    """Wait until the process of this file has ended: its guard ends it after its owner was killed.

    Raise StackError when it still runs after so long.
    """
    try:
        process = Identity(**json.loads(file.read_text())).process
    except (OSError, ValueError, TypeError):  # none was started, or its file is from a disk that was full
        return
    if process is not None:
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            raise StackError(f"{name} of an earlier start still runs as process {process.pid}: end it.") from None
