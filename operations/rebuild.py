"""`python -m operations rebuild`: build views again from the log beside the old tables, compare, swap."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from operations.terminal import complain, say
from services.views.engine.definition import VIEWS, View, for_policy
from services.views.engine.rebuild import Report, rebuild
from shared.runtime.postgres import connect
from shared.runtime.settings import settings


def main() -> int:
    names = {view.name: view for view in VIEWS}
    parser = argparse.ArgumentParser(prog="python -m operations rebuild", description=__doc__)
    parser.add_argument("views", nargs="*", metavar="view", help=f"which; all if none is named: {', '.join(names)}")
    parser.add_argument(
        "--drop", action="store_true", help="drop the views and the rights on them first; nothing can be read meanwhile"
    )
    parser.add_argument("--accept", action="store_true", help="swap even where the rebuilt view differs")
    arguments = parser.parse_args()
    if unknown := set(arguments.views) - set(names):
        parser.error(f"no view is called {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    chosen = for_policy(settings().read_policy(), [names[name] for name in arguments.views or names])
    return asyncio.run(_rebuild(chosen, arguments.drop, arguments.accept))


async def _rebuild(views: Sequence[View], drop: bool, accept: bool) -> int:
    pool = await connect(**settings().postgres, role=settings().postgres_role)
    async with pool:
        reports = await rebuild(pool, views, drop, accept)
    for report in reports:
        say(describe(report))
    different = [report for report in reports if report.equal is False]
    for report in different:
        complain(_sentence(report, drop))
    return 1 if different else 0


def describe(report: Report) -> str:
    """A line for the terminal."""
    verdict = {True: "equal", False: "NOT EQUAL", None: "nothing to compare with"}[report.equal]
    swapped = "not swapped" if report.swapped is None else f"swapped in {report.swapped * 1000:.1f} ms"
    return (
        f"{report.view:8} {report.digest.rows:>9,} rows from {report.facts:,} facts in {report.seconds:.2f} s "
        f"({report.speed:,.0f} facts/s), {report.digest.hashes} at {report.position}, {verdict}, {swapped}"
    )


def _sentence(report: Report, drop: bool) -> str:
    found = f"registry.{report.view} had {report.before}, the log gives {report.digest}, both at {report.position}"
    if report.swapped is not None:
        return f"{found}: the table made from the log is in use now."
    return (
        f"{found}: the old table stays in use, compare it with registry.{report.view}_{report.generation}, "
        f"then rebuild with --accept to use the log's."
    )
