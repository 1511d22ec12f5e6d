"""Write the files that follow from the code: schemas, samples, and the README's table of events."""

from __future__ import annotations

import argparse
from pathlib import Path

from modelog.events import EVENTS, Event, Fact, Report
from modelog.schemas import schema

from operations.samples import as_text, missing_samples
from services import component, names
from shared.deciding.service import Service

ROOT = Path(__file__).parents[1]

PUBLISHERS = {
    "model.trained": "pipelines",
    "drift.detected": "monitors",
    "promotion.requested": "people, CI",
    "retirement.requested": "people, CI",
}
"""Who publishes what modelog only reads."""
READERS = {"model.promoted": "deployers, gateways", "retraining.requested": "pipelines"}
"""Who reads what modelog publishes for others."""


def main() -> None:
    """Write each generated file that is missing or out of date, and print its name; a second run writes nothing."""
    argparse.ArgumentParser(prog="python -m operations generate", description=__doc__).parse_args()
    for path, text in generated(ROOT).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def generated(root: Path) -> dict[Path, str]:
    """Every generated file below `root`, with the text that it should have."""
    schemas = {root / "sdk/schemas" / f"{event.type}.json": as_text(schema(event)) for event in EVENTS}
    readme = root / "README.md"
    return schemas | missing_samples(root) | {readme: with_table(readme.read_text("utf-8"))}


def with_table(text: str) -> str:
    """The README with a row for each event below the two head lines of its table of events."""
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| event |")) + 2
    end = next(number for number, line in enumerate([*lines, ""]) if number >= begin and not line.startswith("|"))
    return "\n".join([*lines[:begin], *table(), *lines[end:]]) + "\n"


def table() -> list[str]:
    """A row for each event: its type, its kind, who publishes it, who reads it, what it means."""
    deciding = discovered()

    def row(event: type[Event]) -> str:
        kind = "fact" if issubclass(event, Fact) else "report" if issubclass(event, Report) else "request"
        publishers = [
            service.name for service in deciding if any(event in decider.answers for decider in service.deciders)
        ]
        readers = [service.name for service in deciding if event in service.handlers]
        publishers += [PUBLISHERS[event.type]] if event.type in PUBLISHERS else []
        readers += [READERS[event.type]] if event.type in READERS else []
        meaning = (event.__doc__ or "").strip()
        return f"| `{event.type}` | {kind} | {', '.join(publishers)} | {', '.join(readers)} | {meaning} |"

    return [row(event) for event in EVENTS]


def discovered() -> list[Service]:
    """The services that decide, by name."""
    components = [component(name) for name in names()]
    return [service for service in components if isinstance(service, Service)]
