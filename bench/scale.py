"""How much is measured: little, for a first look, or enough to be published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of items, and seconds; 0 leaves a path out."""

    drift_reports: int
    trained_reports: int
    floor_reports: int
    scaled_reports: int
    loop_rates: tuple[int, ...]
    loop_seconds: float
    rebuild_facts: tuple[int, ...]
    lag_seconds: float
    append_seconds: float
    relay_facts: int
    versions: tuple[int, ...]
    cold_models: int
    cold_facts: int
    large_mib: int
    junk_records: int
    faulty_reports: int
    rest_seconds: float
    peer_events: int
    peer_seconds: float


QUICK = Scale(
    drift_reports=12_000,
    trained_reports=6_000,
    floor_reports=6_000,
    scaled_reports=0,
    loop_rates=(50,),
    loop_seconds=5,
    rebuild_facts=(60_000,),
    lag_seconds=3,
    append_seconds=0.5,
    relay_facts=30_000,
    versions=(100, 3_000),
    cold_models=100,
    cold_facts=300,
    large_mib=256,
    junk_records=5_000,
    faulty_reports=4,
    rest_seconds=2,
    peer_events=800,
    peer_seconds=1,
)
FULL = Scale(
    drift_reports=600_000,
    trained_reports=50_000,
    floor_reports=50_000,
    scaled_reports=150_000,
    loop_rates=(50, 500),
    loop_seconds=30,
    rebuild_facts=(1_000_000, 9_990_000),
    lag_seconds=20,
    append_seconds=2,
    relay_facts=150_000,
    versions=(100, 10_000, 50_000),
    cold_models=300,
    cold_facts=1_800,
    large_mib=2_048,
    junk_records=20_000,
    faulty_reports=20,
    rest_seconds=10,
    peer_events=4_000,
    peer_seconds=3,
)
