"""`python -m operations rebuild`: build every view again from the log, beside the old ones, then swap."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from services.views.engine.definition import VIEWS, View
from services.views.engine.rebuild import Report, rebuild
from shared.runtime.postgres import connect
from shared.runtime.settings import settings


def main() -> int:
    names = {view.name: view for view in VIEWS}
    parser = argparse.ArgumentParser(prog="python -m operations rebuild", description=__doc__)
    parser.add_argument("views", nargs="*", metavar="view", help=f"which; all if none is named: {', '.join(names)}")
    parser.add_argument("--drop", action="store_true", help="drop the views first; nothing can be read meanwhile")
    parser.add_argument("--accept", action="store_true", help="swap even where the rebuilt view differs")
    asked = parser.parse_args()
    if unknown := set(asked.views) - set(names):
        parser.error(f"no view is called {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    chosen = [names[name] for name in asked.views or names]
    return asyncio.run(_rebuild(chosen, asked.drop, asked.accept))


async def _rebuild(views: Sequence[View], drop: bool, accept: bool) -> int:
    pool = await connect(settings().postgres_url.get_secret_value(), settings().postgres_role)
    async with pool:
        reports = await rebuild(pool, views, drop, accept)
    for report in reports:
        print(tell(report))
    different = [report for report in reports if report.equal is False]
    for report in different:
        print(_sentence(report, drop), file=sys.stderr)
    return 1 if different else 0


def tell(report: Report) -> str:
    """One line for people."""
    verdict = {True: "equal", False: "NOT EQUAL", None: "nothing to compare with"}[report.equal]
    swapped = "not swapped" if report.swapped is None else f"swapped in {report.swapped * 1000:.1f} ms"
    return (
        f"{report.view:8} {report.digest.rows:>9,} rows from {report.facts:,} facts in {report.seconds:.2f} s "
        f"({report.speed:,.0f} facts/s), {report.digest.hashes} at {report.position}, {verdict}, {swapped}"
    )


def _sentence(report: Report, drop: bool) -> str:
    told = f"registry.{report.view} held {report.before}, the log says {report.digest}, both at {report.position}"
    if report.swapped is not None:
        return f"{told}: what the log says is in place now."
    return (
        f"{told}: the old table stays in use, compare it with registry.{report.view}_{report.generation}, "
        f"then rebuild with --accept to trust the log."
    )
