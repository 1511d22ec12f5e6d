"""README's table of events is what the code says."""

from pathlib import Path

from operations.generate import with_table

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_events_is_what_the_code_says() -> None:
    text = README.read_text("utf-8")
    assert text == with_table(text), "run `make generate`"


def test_every_file_that_the_readme_names_is_there() -> None:
    for name in ("docs/architecture.md", "docs/decisions", "sdk/README.md", "sdk/schemas", "compose.yaml"):
        assert (README.parent / name).exists(), name
