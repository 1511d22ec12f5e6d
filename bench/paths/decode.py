"""A record's envelope and event, against pydantic alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from modelog.envelope import decode, encode
from modelog.events import Event

from bench.clock import median
from bench.events import drifted, trained
from bench.row import Row
from bench.runner import Bench

TIMES, ROUNDS = 2_000, 15


async def measure(bench: Bench) -> list[Row]:
    return [_row(drifted("fraud")), _row(trained("fraud", "run-1"))]


def _row(event: Event) -> Row:
    key, value, headers = encode(event, source="/bench")
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(_microseconds(lambda: type(event).model_validate_json(value)))
        whole.append(_microseconds(lambda: decode(key, value, headers)))
    note = f"{len(value)} bytes and {len(headers)} headers; floor: model_validate_json of the value"
    return Row(f"decode {event.type}", "µs", median(whole), median(bare), aim=2.5 * median(bare), note=note)


def _microseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(TIMES):
        work()
    return (time.perf_counter() - began) / TIMES * 1e6
