"""`python -m bench`: measure every path, or those named, print the table and keep it as JSON."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from bench.cores import Cores
from bench.paths import PATHS
from bench.picture import draw
from bench.row import Row, keep, table
from bench.runner import Bench, begin
from bench.scale import FULL, QUICK, Scale
from stack import Addresses, StackError, running


def main() -> int:
    """Measure; return 1 if a path could not be measured. A missed aim is shown in the table and is no failure."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, each number beside a peer's.")
    parser.add_argument("paths", nargs="*", metavar="path", help=f"what to measure, by default all: {', '.join(PATHS)}")
    parser.add_argument("--quick", action="store_true", help="measure less: two minutes, less exact numbers")
    parser.add_argument("--facts", type=int, help="number of facts that the views are rebuilt from")
    parser.add_argument("--json", type=Path, default=Path(".modelog/bench.json"), help="the file for the numbers")
    parser.add_argument("--picture", type=Path, help="the file for a picture of them, as SVG")
    arguments = parser.parse_args()
    if unknown := set(arguments.paths) - set(PATHS):
        parser.error(f"there is no path {', '.join(sorted(unknown))}: there are {', '.join(PATHS)}")
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it logs every leader that is not elected yet
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scale = QUICK if arguments.quick else FULL
    if arguments.facts:
        scale = replace(scale, rebuild_facts=(arguments.facts,))
    try:
        with running() as addresses:
            rows, failed, others = begin(measure(addresses, scale, arguments.paths or list(PATHS)))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    peer = f"eventsourcing {version('eventsourcing')}"
    keep(arguments.json, rows, scale=asdict(scale), peer=peer, failed=failed, others=others)
    print(table(rows))
    if arguments.picture:
        draw(arguments.json, arguments.picture)
    print(f"\nThe peer is {peer}. Other programs used {others:.2f} of {os.cpu_count()} cores.")
    print(f"Written to {arguments.json}.")
    for path, problem in failed.items():
        print(f"{path} could not be measured: {problem}", file=sys.stderr)
    return 1 if failed else 0


async def measure(addresses: Addresses, scale: Scale, names: Sequence[str]) -> tuple[list[Row], dict[str, str], float]:
    """The rows of these paths, the errors of those that failed, and the cores that other programs used."""
    bench, cores, rows, failed = Bench(addresses, scale), Cores(), list[Row](), dict[str, str]()
    for name in names:
        bench.progress(f"{name}: {(sys.modules[PATHS[name].__module__].__doc__ or '').splitlines()[0]}")
        try:
            rows += await PATHS[name](bench)
        except Exception as problem:
            failed[name] = f"{type(problem).__name__}: {problem}"
            bench.progress(f"{name} failed: {failed[name]}")
    return rows, failed, cores.used()["others"]


if __name__ == "__main__":
    sys.exit(main())
