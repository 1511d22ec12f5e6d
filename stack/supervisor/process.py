"""A process that ends with its owner."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from stack.supervisor import guard
from stack.terminal import StackError


class Guarded:
    """A program under a guard: it ends when this process ends, also by kill -9.

    `stop` is the signal that asks it to end, SIGKILL follows after `stop_seconds`. `erase` is a folder that is deleted
    when this process dies without stopping it; what the program prints is appended to `log`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        account: tuple[int, int] | None = None,
        stop: signal.Signals = signal.SIGTERM,
        stop_seconds: float = 20,
        erase: Path | None = None,
    ) -> None:
        options = {
            "argv": list(argv),
            "log": str(log),
            "account": account,
            "stop": int(stop),
            "stop_seconds": stop_seconds,
            "erase": erase and str(erase),
        }
        self.log = log
        log.touch(mode=0o600)
        with log.open("ab") as errors:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env,
                start_new_session=True,
            )
        assert self._guard.stdout
        pid = self._guard.stdout.readline()
        if not pid:
            self._guard.wait()
            raise StackError(f"{argv[0]} could not be started: {self.last_lines()}")
        self.pid = int(pid)

    @property
    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._guard.poll() is None

    def stop(self) -> None:
        """Ask the program to end, kill it when that takes too long; return when it has ended."""
        assert self._guard.stdin
        if not self._guard.stdin.closed:
            self._guard.communicate(b".")

    def kill(self) -> None:
        """SIGKILL the program and all it started, as when the machine fails; return when they have ended."""
        try:
            program = psutil.Process(self.pid)
            family = [program, *program.children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=10)
        self.stop()

    def last_lines(self) -> str:
        """The last three lines of its log, which show the reason of a failure."""
        lines = self.log.read_bytes()[-4000:].decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "its log is empty"
