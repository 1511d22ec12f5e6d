"""A process of services: its readiness, its log, and how to stop and kill it."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from stack.supervisor import Guarded


class ServiceProcess:
    """A process of services under a guard: it ends with the tests, however they end. Its log is kept."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.log_offset = log.stat().st_size if log.exists() else 0
        self.guarded = Guarded(command, log, env=env, stop_seconds=60)

    @property
    def alive(self) -> bool:
        return self.guarded.alive

    @property
    def memory(self) -> int:
        """The most bytes of resident memory that it had until now; where the system keeps no peak, those of now."""
        if not self.alive:
            return 0
        status = Path(f"/proc/{self.guarded.pid}/status")
        if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
            return int(peak[1]) * 1024
        return int(psutil.Process(self.guarded.pid).memory_info().rss)

    def kill(self) -> None:
        """kill -9."""
        self.guarded.kill()

    def stop(self) -> float:
        """SIGTERM; return the seconds that it took to end."""
        began = time.monotonic()
        self.guarded.stop()
        return time.monotonic() - began

    def lines(self) -> list[dict[str, Any]]:
        """The log of this process, without processes before it; a line that is not JSON becomes `{"text": …}`."""
        return lines(self.log, self.log_offset)

    @property
    def health(self) -> str | None:
        """The address of its probes, as soon as it is in the log."""
        return next((line["health"] for line in self.lines() if line.get("event") == "started"), None)

    def is_ready(self) -> bool:
        return self._readyz()[0]

    def components(self) -> dict[str, dict[str, Any]]:
        """The state of each component by /readyz, whether ready or not; empty while nothing answers."""
        answer = self._readyz()[1]
        return json.loads(answer)["components"] if answer else {}

    def _readyz(self) -> tuple[bool, bytes]:
        """Whether the status is 200, and the body."""
        if self.health is None:
            return False, b""
        try:
            return True, self.get("/readyz").encode()
        except urllib.error.HTTPError as not_ready:
            return False, not_ready.read()
        except OSError:
            return False, b""

    def get(self, path: str) -> str:
        """The body of a 200 answer."""
        with urllib.request.urlopen(f"{self.health}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, label: str = "") -> float:
        """The sum of a metric, over all labels or over those that contain this text."""
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith(name) and label in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def mentions(self, word: str) -> bool:
        """Whether the log contains this word."""
        return any(word in str(line) for line in self.lines())


def lines(log: Path, offset: int = 0) -> list[dict[str, Any]]:
    """The lines of a log from this offset on."""
    with log.open("rb") as file:
        file.seek(offset)
        return [parsed(line) for line in file.read().decode(errors="replace").splitlines()]


def parsed(line: str) -> dict[str, Any]:
    """A line of a log; a line that is not JSON becomes `{"text": …}`."""
    try:
        found = json.loads(line)
    except ValueError:
        return {"text": line}
    return found if isinstance(found, dict) else {"text": line}
