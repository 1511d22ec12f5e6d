"""A folder takes the place of another, and nothing is lost whatever others do between the steps."""

from pathlib import Path

import pytest
from modelog._s3 import swapping
from modelog._s3.swapping import exchange, swap_in


def folder(path: Path, content: str) -> Path:
    path.mkdir(parents=True)
    (path / "model").write_text(content)
    return path


def text(path: Path) -> str:
    return (path / "model").read_text()


@pytest.fixture(autouse=True, params=["in one step", "in two steps"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in two steps":
        monkeypatch.setattr(swapping, "exchange", lambda *_: False)


def test_two_folders_are_exchanged_in_a_single_step(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "one", "1"), folder(tmp_path / "two", "2")
    assert exchange(one, two)
    assert (text(one), text(two)) == ("2", "1")


def test_what_was_there_is_checked_after_nobody_finds_it(tmp_path: Path) -> None:
    seen = []

    def check(old: Path) -> None:
        seen.append(text(old))
        assert old.parent == tmp_path / "staging"

    swap_in(folder(tmp_path / "staging" / "new", "2"), folder(tmp_path / "target", "1"), check)
    assert (seen, text(tmp_path / "target")) == (["1"], "2")


def test_what_was_there_is_put_back_when_it_is_refused(tmp_path: Path) -> None:
    def check(old: Path) -> None:
        raise KeyboardInterrupt

    new, target = folder(tmp_path / "staging" / "new", "2"), folder(tmp_path / "target", "1")
    with pytest.raises(KeyboardInterrupt):
        swap_in(new, target, check)
    assert text(target) == "1"


def test_what_is_refused_is_never_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process makes the target between the two steps, what it held gets another name."""
    monkeypatch.setattr(swapping, "exchange", lambda *_: False)
    new, target = folder(tmp_path / ".target.modelog-ab12cd_9" / "new", "2"), folder(tmp_path / "target", "1")

    def check(old: Path) -> None:
        folder(target, "3")
        raise ValueError("not in the store")

    with pytest.raises(OSError, match=f"what it held is in {target}-ab12cd_9"):
        swap_in(new, target, check)
    assert (text(target), text(tmp_path / "target-ab12cd_9")) == ("3", "1")


def test_a_folder_that_comes_between_the_two_steps_is_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swapping, "exchange", lambda *_: False)
    new, target, seen = folder(tmp_path / "staging" / "new", "2"), folder(tmp_path / "target", "1"), list[str]()

    def check(old: Path) -> None:
        seen.append(text(old))
        if len(seen) == 1:
            folder(target, "3")

    swap_in(new, target, check)
    assert (seen, text(target)) == (["1", "3"], "2")


def test_a_target_that_goes_away_meanwhile_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, target = folder(tmp_path / "staging" / "new", "2"), folder(tmp_path / "target", "1")
    put = swapping._is_put_where_nothing_is

    def moved_meanwhile(new: Path, to: Path) -> bool:
        done = put(new, to)
        if target.exists() and text(target) == "1":
            target.rename(tmp_path / "moved")
        return done

    monkeypatch.setattr(swapping, "_is_put_where_nothing_is", moved_meanwhile)
    swap_in(new, target, lambda old: None)
    assert (text(target), text(tmp_path / "moved")) == ("2", "1")
