"""Who used the processors meanwhile: what limits a path, and how much others disturbed it."""

from __future__ import annotations

import os
import time
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
        """The same for people, who care for a twentieth of a core and more."""
        used = sorted(self.used().items(), key=lambda one: -one[1])
        return "cores: " + ", ".join(f"{role} {cores:.2f}" for role, cores in used if cores >= 0.05)


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
