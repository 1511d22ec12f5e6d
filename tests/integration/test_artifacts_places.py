"""Where a download writes: in the folder that is named, and nowhere else."""

import os
from pathlib import Path

import pytest
from modelog._s3.folder import NewFolder
from modelog.manifest import manifest, manifest_key
from modelog.store import Damaged

from tests.integration.artifacts import CountingStore, below, empty, kept, put, written
from tests.integration.downloads import Version, at_the_first_blob, refused


@pytest.mark.parametrize("path", ["../escaped", "/etc/escaped", "a\\b"])
def test_a_download_refuses_a_manifest_that_leads_out_of_the_folder(
    store: CountingStore, tmp_path: Path, path: str
) -> None:
    digest, content = manifest([kept(store, b"bytes", path)])
    put(store, manifest_key(digest), content)
    with pytest.raises(Damaged, match="names files that cannot be written"):
        store.download(digest, tmp_path / "served")
    assert empty(tmp_path)


@pytest.mark.parametrize("path", ["CON.txt", "dot.", "co:lon", "fu\u0308r", "\u202egnp"])
def test_a_version_that_was_registered_with_such_names_is_still_downloaded(
    store: CountingStore, tmp_path: Path, path: str
) -> None:
    digest, content = manifest([kept(store, b"1", path), kept(store, b"2", path.upper())])
    put(store, manifest_key(digest), content)
    store.download(digest, tmp_path / "served")
    assert below(tmp_path / "served") == {path: b"1", path.upper(): b"2"}


def test_names_that_this_system_takes_for_the_same_are_refused(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = NewFolder.create
    monkeypatch.setattr(NewFolder, "create", lambda folder, path: create(folder, path.lower()))
    for names in (("Vocab", "vocab"), ("Vocab", "model"), ("Deep__model", "deep__other")):
        with refused("found that this system cannot, or takes it for another file of the version"):
            store.download(version(**dict.fromkeys(names, b"1")), tmp_path / "served")
    assert empty(tmp_path)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_in_the_place_of_the_folder_is_followed(
    store: CountingStore, version: Version, tmp_path: Path, is_there: bool
) -> None:
    link, folder = tmp_path / "link", tmp_path / "elsewhere" / "folder"
    folder.mkdir(parents=True) if is_there else folder.parent.mkdir()
    link.symlink_to(folder)
    for content in (b"one", b"two"):
        assert store.download(version(model=content), link) == [link / "model"]
        assert below(folder) == {"model": content}
    assert link.readlink() == folder
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("was_there", [True, False])
def test_a_link_that_takes_the_place_of_the_folder_meanwhile_is_not_followed(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    into, elsewhere = tmp_path / "into", written(tmp_path / "elsewhere", there=b"")
    if was_there:
        store.download(version(model=b"one"), into)

    def put_a_link() -> None:
        if was_there:
            into.rename(tmp_path / "moved")
        into.symlink_to(elsewhere)

    at_the_first_blob(store, monkeypatch, put_a_link)
    with refused("found that it was replaced: try again"):
        store.download(version(model=b"two"), into)
    assert (into.readlink(), below(elsewhere)) == (elsewhere, {"there": b""})
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("was_there", [True, False])
def test_a_file_that_comes_into_the_folder_meanwhile_is_not_lost(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    into, one, two = tmp_path / "into", {"model": b"one"} if was_there else {}, version(model=b"two")
    if was_there:
        store.download(version(model=b"one"), into)
    at_the_first_blob(store, monkeypatch, lambda: written(into, mine=b"mine"))
    with refused("found 'mine', whose bytes are not in the store"):
        store.download(two, into)
    assert below(tmp_path) == {f"into/{path}": content for path, content in {**one, "mine": b"mine"}.items()}


def test_links_that_are_put_into_the_staging_folder_lead_nowhere(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, digest = written(tmp_path / "elsewhere", there=b""), version(a=b"1", deep__model=b"2")

    def put_a_link() -> None:
        (staging,) = tmp_path.glob("served/.into.modelog-*")
        (staging / "new" / "deep").symlink_to(elsewhere)

    at_the_first_blob(store, monkeypatch, put_a_link)
    with refused("found that this system cannot"):
        store.download(digest, tmp_path / "served" / "into")
    assert below(tmp_path) == {"elsewhere/there": b""}


def test_the_working_folder_a_file_and_a_mounted_file_system_are_not_replaced(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, working = version(model=b"one"), tmp_path / "project" / "working"
    working.mkdir(parents=True)
    monkeypatch.chdir(working)
    for into in ("", ".", working, working.parent):
        with refused("found the working folder in"):
            store.download(digest, Path(into))
    with refused("found a file: name another folder"):
        store.download(digest, written(tmp_path, file=b"") / "file")
    with refused("found that a file system is mounted at /proc: name a folder inside of it"):
        store.download(digest, Path("/proc"))
    assert below(tmp_path) == {"file": b""}


def test_a_folder_that_cannot_be_replaced_is_named_with_the_reason(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(16, os.strerror(16))

    monkeypatch.setattr("modelog._s3.downloading.swap_in", busy)
    with refused(f"in the place of {tmp_path / 'into'}, found Device or resource busy: name a folder"):
        store.download(version(model=b"one"), tmp_path / "into")
    assert empty(tmp_path)


def test_the_longest_name_of_a_folder_has_a_staging_folder(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    store.download(version(model=b"one"), tmp_path / ("x" * 255))
    assert below(tmp_path) == {f"{'x' * 255}/model": b"one"}
