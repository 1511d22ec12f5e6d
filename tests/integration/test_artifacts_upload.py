"""What an upload takes, what it refuses before a byte is sent, and what it says of what a version does not keep."""

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from modelog._s3 import finding
from modelog.store import Store

from tests.integration.artifacts import CountingStore, keys, written


def test_an_empty_folder_is_not_uploaded(store: CountingStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected files to upload, found none in"):
        store.upload(tmp_path)


def test_a_file_that_is_not_there_is_not_uploaded(store: CountingStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a file at .*nothing, found none"):
        store.upload(tmp_path / "nothing")


def test_a_path_that_leads_out_of_the_artifact_is_not_uploaded(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, model=b"")
    with pytest.raises(ValueError, match=r"expected a relative path inside the artifact, found '\.\./model'"):
        store.upload({"../model": tmp_path / "model"})
    assert keys(store) == set()


@pytest.mark.parametrize("target", ["secret", "."])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(store: CountingStore, tmp_path: Path, target: str) -> None:
    written(tmp_path, secret=b"key", model__weights=b"")
    (tmp_path / "model" / "link").symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match="which links elsewhere"):
        store.upload(tmp_path / "model")
    assert keys(store) == set()


def test_a_link_inside_the_folder_is_a_file(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, model=b"bytes")
    (tmp_path / "latest").symlink_to("model")
    assert [file.path for file in store.upload(tmp_path).files] == ["latest", "model"]


@pytest.mark.parametrize("empty", ["", Path(), {"model": ""}, {"model": Path()}])
def test_an_empty_path_is_not_the_working_folder(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str | Path | dict[str, str | Path]
) -> None:
    monkeypatch.chdir(written(tmp_path, **{".env": b"SECRET=1"}))
    with pytest.raises(ValueError, match="found an empty path: name a file or a folder, the working folder as"):
        store.upload(empty)
    assert keys(store) == set()


def test_the_working_folder_is_uploaded_when_it_is_named(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written(tmp_path, model=b"1"))
    for named in (".", "./", Path.cwd()):
        assert [file.path for file in store.upload(named).files] == ["model"]


@pytest.mark.parametrize("inside", ["", "Vocab/../x", "CON.txt", "co:lon"])
def test_a_name_that_some_system_cannot_hold_is_refused_before_a_byte_is_sent(
    store: CountingStore, tmp_path: Path, inside: str
) -> None:
    written(tmp_path, model=b"1")
    with pytest.raises(ValueError, match="expected a relative path inside the artifact, found "):
        store.upload({"a": tmp_path / "model", inside: tmp_path / "model"})
    assert keys(store) == set()


def test_names_that_some_system_takes_for_the_same_are_refused_before_a_byte_is_sent(
    store: CountingStore, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"found 'vocab\.txt' and 'Vocab\.txt', which differ in case"):
        store.upload(written(tmp_path, **{"Vocab.txt": b"1", "vocab.txt": b"2"}))
    assert keys(store) == set()


def test_the_root_of_the_file_system_is_not_uploaded(store: CountingStore) -> None:
    for root in ("/", "//", Path("/"), "/tmp/.."):
        with pytest.raises(ValueError, match="found the root of the file system"):
            store.upload(root)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, a_socket, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("follow_links", [False, True])
def test_a_pipe_a_socket_and_a_device_are_refused_at_once(
    store: CountingStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    follow_links: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("model"))
    for paths in (str(tmp_path), "model", {"model": tmp_path / "model"}):
        with pytest.raises(ValueError, match=r"a device or a pipe: name a file|which links elsewhere"):
            store.upload(paths, follow_links=follow_links)


def test_a_cache_of_links_is_uploaded_when_links_are_followed(store: CountingStore, tmp_path: Path) -> None:
    cache = written(tmp_path / "models--x", blobs__1a2b=b"weights", blobs__3c4d=b"{}")
    (snapshot := cache / "snapshots" / "main").mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to("../../blobs/1a2b")
    (snapshot / "config.json").symlink_to("../../blobs/3c4d")
    (snapshot / "more").symlink_to("../../blobs")
    with pytest.raises(ValueError, match="which links elsewhere: copy it there, or upload with follow_links=True"):
        store.upload(snapshot)
    assert [file.path for file in store.upload(snapshot, follow_links=True).files] == [
        "config.json",
        "model.safetensors",
        "more/1a2b",
        "more/3c4d",
    ]


@pytest.mark.parametrize("target", ["..", ".", "self", "nothing"])
def test_a_link_to_a_folder_above_or_to_nothing_is_refused(store: CountingStore, tmp_path: Path, target: str) -> None:
    written(tmp_path, model=b"1", deep__model=b"1")
    (tmp_path / "deep" / "self").symlink_to(target)
    with pytest.raises(ValueError, match=r"a link to a folder above itself|which links to nothing: remove it"):
        store.upload(tmp_path, follow_links=True)


def test_what_a_version_does_not_keep_is_logged_in_a_line(
    store: CountingStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, **{"model": b"1", "run.sh": b"2", "a/b/c": b"3"})
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "latest").symlink_to("model")
    for number in range(5):
        (tmp_path / "logs" / str(number)).mkdir(parents=True)
    with caplog.at_level(logging.WARNING, "modelog"):
        store.upload(tmp_path)
    assert [record.getMessage() for record in caplog.records if record.name == "modelog"] == [
        "a version has paths and bytes alone, and does not keep empty folders ('logs/0', 'logs/1', 'logs/2' and 2 "
        "more), links, which become copies ('latest'), executable bits ('run.sh')"
    ]


def test_nothing_is_logged_where_all_is_kept(
    store: CountingStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.upload(written(tmp_path, model=b"1", deep__config=b"2"))
    assert not caplog.records


def becomes_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file is added": lambda folder: written(folder, new=b"3"),
    "a file is removed": lambda folder: (folder / "b").unlink(),
    "a file is written": lambda folder: written(folder, a=b"another"),
    "a file is replaced": lambda folder: written(folder, c=b"2").joinpath("c").replace(folder / "b"),
    "a file becomes a link": lambda folder: becomes_a_link(folder / "b"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_folder_that_changes_while_it_is_read_is_refused(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    written(tmp_path, a=b"1", b=b"2")
    keep, sent = Store.keep, list[str]()

    def change_after_the_first(store: Store, key: str, *arguments: object) -> str:
        sent.append(key)
        etag = keep(store, key, *arguments)  # type: ignore[arg-type]
        if len(sent) == 1:
            change(tmp_path)
        return etag

    monkeypatch.setattr(Store, "keep", change_after_the_first)
    with pytest.raises(ValueError, match=r"found it changed|found them changed"):
        store.upload(tmp_path)


def test_more_bytes_than_a_version_can_have_are_refused_before_the_first_is_sent(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_ARTIFACT_BYTES", 200)
    store.upload(written(tmp_path, a=b"x" * 100, b=b"x" * 100))
    sent = keys(store)
    with pytest.raises(ValueError, match=r"expected files of at most 200 bytes in all, found more with .*/c: register"):
        store.upload(written(tmp_path, c=b"y"))
    assert keys(store) == sent


def test_as_many_files_are_uploaded_as_a_report_can_name(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, **{"größe": b"x" * 100, "b": b"x" * 9})
    listed = sum(len(f"{file.model_dump_json()},".encode()) for file in store.upload(tmp_path).files)
    store.upload(tmp_path, max_listed_bytes=listed)
    with pytest.raises(
        ValueError, match=rf"at most {listed - 1} bytes, found more with file 2, .*: pack them into fewer"
    ):
        store.upload(tmp_path, max_listed_bytes=listed - 1)


def test_a_folder_that_cannot_be_read_is_an_error(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, model=b"1", closed__secret=b"2")
    iterdir = Path.iterdir

    def denied(folder: Path) -> object:
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(PermissionError, match="closed"):
        store.upload(tmp_path)
