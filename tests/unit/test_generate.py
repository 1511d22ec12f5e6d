"""`make generate` adds what is missing, corrects what is generated, and changes nothing else."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from modelog.events import EVENTS, Event, ModelRetired, ModelTrained

from operations import generate
from operations.samples import GOLDEN, PUBLISHED, SUMS, sample

SCHEMAS = Path("sdk/schemas")
NAME = "model.retired.v1.json"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is generated in the checkout."""
    for folder in (SCHEMAS, GOLDEN, PUBLISHED):
        shutil.copytree(generate.ROOT / folder, tmp_path / folder)
    (tmp_path / "docs").mkdir()
    for page in ("README.md", "docs/operations.md", "docs/metrics.md"):
        shutil.copy(generate.ROOT / page, tmp_path / page)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    return tmp_path


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def remove(root: Path, folder: Path, name: str) -> None:
    """Remove a sample and its line in SHA256SUMS."""
    (root / folder / name).unlink()
    sums = root / folder / SUMS
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if not line.endswith(f"  {name}\n")))


def test_what_is_committed_is_generated(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(root)
    generate.generate()
    assert (contents(root), capsys.readouterr().out) == (before, ""), "run `make generate`"


def test_a_schema_and_the_table_are_written_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(root)
    (root / SCHEMAS / "model.retired.json").unlink()
    (root / SCHEMAS / "model.promoted.json").write_text("{}")
    readme = root / "README.md"
    readme.write_text("".join(line for line in readme.read_text().splitlines(True) if "`model.rejected`" not in line))
    generate.generate()
    assert contents(root) == before
    written = "wrote sdk/schemas/model.promoted.json\nwrote sdk/schemas/model.retired.json\nwrote README.md\n"
    assert capsys.readouterr().out == written


def test_a_type_without_samples_gets_an_example_its_schema_and_their_sums(root: Path) -> None:
    before = contents(root)
    for folder in (GOLDEN, PUBLISHED):
        remove(root, folder, NAME)
    generate.generate()
    added = [root / folder / NAME for folder in (GOLDEN, PUBLISHED)]
    assert contents(root).keys() == before.keys()
    for path in added:
        assert f"{sha256(path.read_bytes()).hexdigest()}  {NAME}" in (path.parent / SUMS).read_text().splitlines()
    event = ModelRetired.model_validate_json(added[0].read_bytes())
    assert event.model_fields_set == set(ModelRetired.model_fields)
    assert added[1].read_bytes() == (root / SCHEMAS / "model.retired.json").read_bytes()


def test_a_new_field_gets_the_next_version_beside_the_old(root: Path) -> None:
    path = root / PUBLISHED / NAME
    schema = json.loads(path.read_text())
    del schema["properties"]["reason"]
    path.write_text(json.dumps(schema))
    before = contents(root)
    generate.generate()
    after = contents(root)
    news = {root / folder / "model.retired.v2.json" for folder in (GOLDEN, PUBLISHED)}
    assert after.keys() - before.keys() == news
    assert {path for path in before if before[path] != after[path]} == {root / f / SUMS for f in (GOLDEN, PUBLISHED)}


def test_a_sample_that_was_edited_keeps_the_sum_that_shows_it(root: Path) -> None:
    (root / GOLDEN / NAME).write_text("{}")
    before = contents(root)
    generate.generate()
    assert contents(root) == before


def test_a_second_run_changes_nothing(root: Path) -> None:
    for folder in (GOLDEN, PUBLISHED):
        remove(root, folder, NAME)
    generate.generate()
    before = contents(root)
    generate.generate()
    assert contents(root) == before


@pytest.mark.parametrize(
    "event", [event for event in EVENTS if event is not ModelTrained], ids=lambda event: event.type
)
def test_an_example_of_a_new_type_has_a_value_in_every_field(event: type[Event]) -> None:
    assert event.model_validate(sample(event, {})).model_fields_set == set(event.model_fields)


def test_the_next_example_keeps_the_values_of_the_last() -> None:
    last = {"model": "churn", "run": "r1", "artifact": {"uri": "s3://bucket/r1"}}
    made = sample(ModelTrained, last)
    assert {name: made[name] for name in last} == last
    assert made.keys() == ModelTrained.model_fields.keys()


def test_an_event_with_a_rule_between_fields_is_left_to_a_person() -> None:
    with pytest.raises(SystemExit, match=r"write an example of model\.trained into tests/sdk/golden by hand"):
        sample(ModelTrained, {})
