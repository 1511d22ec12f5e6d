"""One process of services, at hand to be asked, stopped and killed."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from stack.supervisor import Guarded

T = TypeVar("T")


class Running:
    """`python -m services …` under a guard: it ends with the tests, however they end. Its log is kept."""

    def __init__(self, title: str, names: tuple[str, ...], env: Mapping[str, str], log: Path) -> None:
        self.title = title
        self.log = log
        self.began = log.stat().st_size if log.exists() else 0
        self.guarded = Guarded([sys.executable, "-m", "services", *names], log, env=env, patience=60)

    @property
    def alive(self) -> bool:
        return self.guarded.alive

    def kill(self) -> None:
        """kill -9."""
        self.guarded.kill()

    def stop(self) -> float:
        """SIGTERM; return how many seconds it took to end."""
        began = time.monotonic()
        self.guarded.stop()
        return time.monotonic() - began

    def lines(self) -> list[dict[str, Any]]:
        """What this life of it logged; a line that is no JSON is kept as its `text`."""
        with self.log.open("rb") as log:
            log.seek(self.began)
            return [_line(line) for line in log.read().decode(errors="replace").splitlines()]

    @property
    def health(self) -> str | None:
        """Where it answers probes, once it told."""
        return next((line["health"] for line in self.lines() if line.get("event") == "started"), None)

    def ready(self) -> tuple[bool, str]:
        """Whether it says that it is ready, and its sentences."""
        if self.health is None:
            return False, "it has not told where it answers"
        try:
            return True, self.ask("/readyz")
        except urllib.error.HTTPError as not_ready:
            return False, not_ready.read().decode()
        except OSError as silent:
            return False, str(silent)

    def ask(self, path: str) -> str:
        """What it answers over HTTP."""
        with urllib.request.urlopen(f"{self.health}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def mentions(self, word: str) -> bool:
        """Whether it said this word."""
        return any(word in str(line) for line in self.lines())


def _line(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"text": line}
    return found if isinstance(found, dict) else {"text": line}


async def until(look: Callable[[], Awaitable[T]], what: str, limit: float = 60.0, every: float = 0.1) -> T:
    """Look until there is something to see, and return it."""
    end = time.monotonic() + limit
    while not (found := await look()):
        assert time.monotonic() < end, f"expected {what} within {limit:.0f} s"
        await asyncio.sleep(every)
    return found
