"""How much is measured: little, to see where one stands, or enough to quote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of things, and seconds."""

    drift_reports: int
    trained_reports: int
    loop_rates: tuple[int, ...]
    loop_seconds: float
    rebuild_facts: int
    lag_seconds: float
    append_seconds: float
    relay_facts: int
    versions: tuple[int, ...]
    rest_seconds: float


QUICK = Scale(
    drift_reports=12_000,
    trained_reports=6_000,
    loop_rates=(50,),
    loop_seconds=5,
    rebuild_facts=60_000,
    lag_seconds=4,
    append_seconds=1,
    relay_facts=30_000,
    versions=(100, 10_000),
    rest_seconds=3,
)
FULL = Scale(
    drift_reports=100_000,
    trained_reports=50_000,
    loop_rates=(50, 500),
    loop_seconds=30,
    rebuild_facts=400_000,
    lag_seconds=20,
    append_seconds=4,
    relay_facts=150_000,
    versions=(100, 10_000, 50_000),
    rest_seconds=10,
)
