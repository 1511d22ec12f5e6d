"""A file for each path; it measures the floor and us, and contains the aim."""

from __future__ import annotations

from bench.paths import append, cold, decide, decode, head_of_line, lag, loop, rebuild, relay, reports, rest, scale
from bench.runner import Path

PATHS: dict[str, Path] = {
    "decode": decode.measure,
    "decide": decide.measure,
    "cold": cold.measure,
    "append": append.measure,
    "reports": reports.measure,
    "scale": scale.measure,
    "relay": relay.measure,
    "rebuild": rebuild.measure,
    "lag": lag.measure,
    "loop": loop.measure,
    "head_of_line": head_of_line.measure,
    "rest": rest.measure,
}
