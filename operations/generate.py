"""Write the files that follow from the code: schemas, samples, the tables of events, of settings and of metrics."""

from __future__ import annotations

import argparse
from pathlib import Path

from modelog.events import EVENTS, Event, Fact, Report, Request
from modelog.schemas import schema

from operations.metrics_page import with_metrics
from operations.samples import as_text, missing_samples
from operations.settings_table import with_settings
from services import component, names
from shared.deciding.service import Service

ROOT = Path(__file__).parents[1]

PUBLISHERS = {"model.trained": "pipelines", "drift.detected": "monitors"}
"""Who publishes the reports; requests are those of people and CI."""
READERS = {"model.promoted": "deployers, gateways", "retraining.requested": "pipelines"}
"""Who reads what modelog publishes for others."""


def main() -> None:
    argparse.ArgumentParser(prog="python -m operations generate", description=__doc__).parse_args()
    generate()


def generate() -> None:
    """Write each generated file that is missing or out of date, and print its name; a second run writes nothing."""
    for path, text in generated(ROOT).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def generated(root: Path) -> dict[Path, str]:
    """Every generated file below `root`, with the text that it should have."""
    schemas = {root / "sdk/schemas" / f"{event.type}.json": as_text(schema(event)) for event in EVENTS}
    tables = {"README.md": with_table, "docs/operations.md": with_settings, "docs/metrics.md": with_metrics}
    pages = {root / page: written((root / page).read_text("utf-8")) for page, written in tables.items()}
    return schemas | missing_samples(root) | pages


def with_table(text: str) -> str:
    """The README with a row for each event below the two head lines of its table of events."""
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| event |")) + 2
    end = next(number for number, line in enumerate([*lines, ""]) if number >= begin and not line.startswith("|"))
    return "\n".join([*lines[:begin], *table(), *lines[end:]]) + "\n"


def table() -> list[str]:
    """A row for each event: its type, its kind, who publishes it, who reads it, what it means."""
    deciding = [service for service in map(component, names()) if isinstance(service, Service)]

    def row(event: type[Event]) -> str:
        kind = "fact" if issubclass(event, Fact) else "report" if issubclass(event, Report) else "request"
        publishers = [service.name for service in deciding if event in service.answers]
        readers = [service.name for service in deciding if event in service.handlers]
        publishers += [PUBLISHERS[event.type]] if issubclass(event, Report) else []
        publishers += ["people, CI"] if issubclass(event, Request) else []
        readers += [READERS[event.type]] if event.type in READERS else []
        meaning = (event.__doc__ or "").strip()
        return f"| `{event.type}` | {kind} | {', '.join(publishers)} | {', '.join(readers)} | {meaning} |"

    return [row(event) for event in EVENTS]
