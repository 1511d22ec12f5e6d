"""Who used the processors meanwhile: what limits a path, and how much others disturbed it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

ROLES = {"java": "Kafka", "postgres": "Postgres", "rclone": "S3"}


class Cores:
    """Processor time since this was made, in cores, for each role. Servers that are not ours count as others."""

    def __init__(self) -> None:
        self.began, self.all, self.ours = time.perf_counter(), _busy(), _family()

    def used(self) -> dict[str, float]:
        """Cores that each role has used until now."""
        seconds = time.perf_counter() - self.began
        ours = {role: spent - self.ours[role] for role, spent in _family().items()}
        others = _busy() - self.all - sum(ours.values())
        return {role: max(0.0, spent) / seconds for role, spent in {**ours, "others": others}.items()}

    def told(self) -> str:
        """The same for people."""
        return told(self.used())


def told(used: Mapping[str, float]) -> str:
    """Cores in use, of whoever used a twentieth of one and more."""
    return "cores: " + _ranked(used, 0.05, ".2f")


def each(used: Mapping[str, float], rate: float) -> str:
    """Microseconds of processor for each of so many things a second, which no other program's work changes much."""
    ours = {role: cores / rate * 1e6 for role, cores in used.items() if role not in ("bench", "others")}
    costs = _ranked(ours, 1, ".0f") or "other machines"
    return f"each costs µs of {costs}; others took {used['others']:.1f} cores"


def _ranked(numbers: Mapping[str, float], least: float, form: str) -> str:
    ranked = sorted(numbers.items(), key=lambda one: -one[1])
    return ", ".join(f"{role} {number:{form}}" for role, number in ranked if number >= least)


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _family() -> dict[str, float]:
    """Seconds that this process and all below it have used, with those of the children that ended."""
    spent = dict.fromkeys(("bench", "services", *ROLES.values()), 0.0)
    me = psutil.Process()
    for one in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            role = "bench" if one.pid == os.getpid() else ROLES.get(one.name(), "services")
            spent[role] += sum(one.cpu_times()[:4])
    return spent
