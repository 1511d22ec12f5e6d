"""README's table of events is what the code says."""

from importlib import import_module
from pathlib import Path
from typing import Any

from modelog.events import EVENTS, Event, Fact, Report

README = Path(__file__).parents[2] / "README.md"
DECIDING = ("ingestion", "validation", "promotion", "retraining", "retirement")
OUTSIDE = {
    "model.trained": "pipelines",
    "drift.detected": "monitors",
    "promotion.requested": "people, CI",
    "retirement.requested": "people, CI",
}
LISTENERS = {"model.promoted": "deployers, gateways", "retraining.requested": "pipelines"}


def row(event: type[Event]) -> str:
    services: dict[str, Any] = {name: import_module(f"services.{name}.app").service for name in DECIDING}
    kind = "fact" if issubclass(event, Fact) else "report" if issubclass(event, Report) else "wish"
    said = [name for name, service in services.items() if any(event in decider.answers for decider in service.deciders)]
    heard = [name for name, service in services.items() if event in service.handlers]
    heard += [LISTENERS[event.type]] if event.type in LISTENERS else []
    meaning = (event.__doc__ or "").strip()
    said = said or [OUTSIDE[event.type]]
    return f"| `{event.type}` | {kind} | {', '.join(said)} | {', '.join(heard)} | {meaning} |"


def test_the_table_of_events_is_what_the_code_says() -> None:
    told = [line for line in README.read_text().splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert told == [row(event) for event in EVENTS]


def test_every_file_that_the_readme_names_is_there() -> None:
    for name in ("docs/architecture.md", "docs/decisions", "sdk/README.md", "sdk/schemas", "compose.yaml"):
        assert (README.parent / name).exists(), name
