"""Downloads that are killed, and downloads that run at the same time."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from modelog._s3.staging import ALIVE, clear, staging

from tests.integration.artifacts import CountingStore, below, empty, written
from tests.integration.downloads import Version, at_the_first_blob

WAITING = """
import os, sys, time
from contextlib import contextmanager
from pathlib import Path
from modelog.store import Store

store, reading, read = Store.from_env(), Store.reading, []

@contextmanager
def wait_at_the_second_blob(store, key, bucket=None):
    read.append(key)
    if len(read) == 3:  # the manifest, and a blob
        print("waits", flush=True)
        time.sleep(600)
    with reading(store, key, bucket) as response:
        yield response

Store.reading = wait_at_the_second_blob
store.download(sys.argv[1], Path(sys.argv[2]))
"""


@contextmanager
def downloading(
    addresses: Mapping[str, str], store: CountingStore, digest: str, into: Path
) -> Iterator[subprocess.Popen[Any]]:
    """A process that has written the first file of a version, and waits for the second."""
    env = {**os.environ, **addresses, "MODELOG_S3_BUCKET": store.bucket}
    command = [sys.executable, "-c", WAITING, digest, str(into)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "waits\n"
            yield process
        finally:
            process.kill()


def leftovers(into: Path) -> list[Path]:
    return list(into.parent.glob(f".{into.name}.modelog-*"))


@pytest.mark.parametrize("was_there", [True, False])
def test_what_a_killed_download_left_is_removed_by_the_next(
    addresses: Mapping[str, str], store: CountingStore, version: Version, tmp_path: Path, was_there: bool
) -> None:
    into, one, two = tmp_path / "into", version(a=b"1", b=b"1"), version(a=b"2", b=b"2")
    if was_there:
        store.download(one, into)
    with downloading(addresses, store, two, into):
        pass
    assert below(into) == ({"a": b"1", "b": b"1"} if was_there else {})
    assert [below(left / "new") for left in leftovers(into)] == [{"a": b"2", "b": b""}]
    store.download(one, into)
    assert (below(into), leftovers(into)) == ({"a": b"1", "b": b"1"}, [])


def test_a_download_that_goes_on_is_not_removed_by_another(
    addresses: Mapping[str, str], store: CountingStore, version: Version, tmp_path: Path
) -> None:
    into, one, two = tmp_path / "into", version(a=b"1"), version(a=b"2", b=b"2")
    with downloading(addresses, store, two, into):
        store.download(one, into)
        assert (below(into), len(leftovers(into))) == ({"a": b"1"}, 1)


def left_behind(parent: Path, name: str, **contents: bytes) -> Path:
    """What a download into `name` left when it was killed."""
    return written(parent / f".{name}.modelog-ab12cd_9", **{ALIVE: name.encode(), **contents})


def test_a_folder_that_a_killed_download_had_moved_away_is_put_back(tmp_path: Path) -> None:
    """Killed between its two steps, on a system that cannot exchange two folders."""
    left_behind(tmp_path, "into", old__model=b"1", new__model=b"2")
    clear(tmp_path)
    assert below(tmp_path) == {"into/model": b"1"}


def test_what_a_killed_download_had_moved_away_does_not_replace_what_is_there(tmp_path: Path) -> None:
    left_behind(written(tmp_path, into__model=b"3"), "into", old__model=b"1")
    clear(tmp_path)
    assert below(tmp_path) == {"into/model": b"3"}


def test_what_was_moved_away_is_put_back_in_its_own_folder_alone(tmp_path: Path) -> None:
    left = left_behind(parent := tmp_path / "parent", "into", old__model=b"1")
    (left / ALIVE).write_text("../elsewhere")
    clear(parent)
    assert below(tmp_path) == {"parent/elsewhere/model": b"1"}


def test_what_a_killed_download_of_another_version_left_is_removed_too(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    left_behind(tmp_path, "1", new__model=b"1")
    store.download(version(model=b"2"), tmp_path / "2")
    assert below(tmp_path) == {"2/model": b"2"}


@pytest.mark.parametrize("made", [lambda folder: None, lambda folder: (folder / ALIVE).touch()])
def test_what_was_killed_while_it_made_its_folder_is_removed(tmp_path: Path, made: Callable[[Path], None]) -> None:
    (folder := tmp_path / ".into.modelog-ab12cd_9").mkdir()
    made(folder)
    clear(tmp_path)
    assert empty(tmp_path)


@pytest.mark.parametrize("name", [".into.modelog-", "into.modelog-ab12cd_9", ".modelog", ".into.modelog-AB12CD_9"])
def test_folders_of_other_names_are_not_removed(tmp_path: Path, name: str) -> None:
    written(tmp_path / name, **{ALIVE: b"", "new__model": b"1"})
    clear(tmp_path)
    assert (tmp_path / name / ALIVE).exists()


def test_folders_of_others_with_such_a_name_are_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = written(tmp_path / "elsewhere", **{ALIVE: b"", "model": b"1"})
    (tmp_path / ".link.modelog-ab12cd_9").symlink_to(elsewhere)
    written(tmp_path / ".full.modelog-ab12cd_9", model=b"1")  # without the file that each download makes first
    clear(tmp_path)
    left_behind(tmp_path, "into", new__model=b"1")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    clear(tmp_path)
    assert {path.parts[-2] for path in tmp_path.rglob("model")} == {"elsewhere", ".full.modelog-ab12cd_9", "new"}


def test_staging_folders_survive_processes_that_clear_them_at_any_moment(tmp_path: Path) -> None:
    into = tmp_path / "into"

    def stage(number: int) -> bool:
        with staging(into) as folder:
            (folder / "new").mkdir()
            clear(tmp_path)
            return (folder / "new").exists() and (folder / ALIVE).exists()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(stage, range(400)))
    assert empty(tmp_path)


@pytest.mark.usefixtures("steps")
def test_downloads_into_the_same_folder_all_end_well_and_leave_a_whole_version(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    into = tmp_path / "new" / "into"
    contents = [dict.fromkeys(("a", "b", f"c{number}", f"d{number}__e"), b"%d" % number) for number in range(4)]
    digests = [version(**content) for content in contents]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: store.download(digests[number % 4], into), range(40)))
    assert below(into) in [{name.replace("__", "/"): c for name, c in content.items()} for content in contents]
    assert [path.name for path in into.parent.iterdir()] == ["into"]


@pytest.mark.usefixtures("steps")
def test_the_download_that_ends_last_is_the_folder(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into, one, two = tmp_path / "into", version(model=b"1"), version(model=b"2")
    at_the_first_blob(store, monkeypatch, lambda: store.download(two, into))
    store.download(one, into)
    assert below(tmp_path) == {"into/model": b"1"}
