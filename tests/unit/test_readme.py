"""The tables of events, of settings and of metrics are generated, and the pages name files that are there."""

import re
from pathlib import Path

import pytest

from operations.generate import with_table
from operations.metrics_page import with_metrics
from operations.settings_table import with_settings
from shared.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "sdk").glob("*.md"))]


def test_the_table_of_events_is_generated_from_the_code() -> None:
    text = README.read_text("utf-8")
    assert text == with_table(text), "run `make generate`"


def test_the_tables_of_settings_are_generated_from_the_class() -> None:
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    assert text == with_settings(text), "run `make generate`"
    for name in Settings.variable_names():
        assert f"| `MODELOG_{name.upper()}`" in text
    for row in re.findall(r"^\| `MODELOG_.*$", text, re.MULTILINE):
        assert row.split("|")[3].strip().endswith("."), "the docstring of a setting is a sentence"


def test_the_lists_of_metrics_are_generated_from_the_code() -> None:
    text = (ROOT / "docs/metrics.md").read_text("utf-8")
    assert text == with_metrics(text), "run `make generate`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    linked = [page.parent / target for target in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = [ROOT / name for name in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sql|md|toml|yaml))`", text)]
    assert [str(path) for path in (*linked, *named) if not path.exists()] == []
