"""Which processes used the cores: it shows what limits a path, and how much other programs disturbed it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

ROLES = {"java": "Kafka", "postgres": "Postgres", "rclone": "S3"}


class Cores:
    """Processor time since the start, in cores, by role. Servers that we did not start count as others."""

    def __init__(self) -> None:
        self.began, self.all, self.ours = time.perf_counter(), _busy_seconds(), _own_seconds()

    def used(self) -> dict[str, float]:
        """Cores that each role has used until now."""
        seconds = time.perf_counter() - self.began
        ours = {role: spent - self.ours[role] for role, spent in _own_seconds().items()}
        others = _busy_seconds() - self.all - sum(ours.values())
        return {role: max(0.0, spent) / seconds for role, spent in {**ours, "others": others}.items()}

    def described(self) -> str:
        """The same as text."""
        return described(self.used())


def described(used: Mapping[str, float]) -> str:
    """The roles that used 0.05 cores or more, as text."""
    return "cores: " + _ranked(used, 0.05, ".2f")


def each(used: Mapping[str, float], rate: float) -> str:
    """Microseconds of processor for each item at `rate` a second; other programs hardly change this number."""
    ours = {role: cores / rate * 1e6 for role, cores in used.items() if role not in ("bench", "others")}
    costs = _ranked(ours, 1, ".0f") or "other machines"
    return f"each costs µs of {costs}; other programs used {used['others']:.1f} cores"


def _ranked(numbers: Mapping[str, float], least: float, form: str) -> str:
    ranked = sorted(numbers.items(), key=lambda item: -item[1])
    return ", ".join(f"{role} {number:{form}}" for role, number in ranked if number >= least)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own_seconds() -> dict[str, float]:
    """Seconds that this process and its descendants have used, children that have ended included."""
    spent = dict.fromkeys(("bench", "services", *ROLES.values()), 0.0)
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            role = "bench" if process.pid == os.getpid() else ROLES.get(process.name(), "services")
            spent[role] += sum(process.cpu_times()[:4])
    return spent
