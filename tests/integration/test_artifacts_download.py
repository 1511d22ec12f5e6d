"""A download is a folder of exactly the version's files, or changes nothing."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Absent, Damaged
from modelog.values import File

from tests.integration.artifacts import CountingStore, below, empty, file, kept, pin, put, written
from tests.integration.downloads import Version, at_the_first_blob, raising, refused


@pytest.mark.usefixtures("steps")
def test_another_version_takes_the_place_of_a_version(store: CountingStore, version: Version, tmp_path: Path) -> None:
    into = tmp_path / "served" / "fraud"
    store.download(version(shard_1=b"1", shard_2=b"1", model=b"a file", deep__down=b"1"), into)
    two = {"shard_1": b"2", "model/weights": b"a folder"}
    assert store.download(version(shard_1=b"2", model__weights=b"a folder"), into) == [
        into / path for path in sorted(two)
    ]
    assert below(into) == two
    assert {path.name for path in into.rglob("*") if path.is_dir()} == {"model"}
    assert [path.name for path in into.parent.iterdir()] == ["fraud"]


@pytest.mark.usefixtures("steps")
def test_a_folder_with_a_file_of_somebody_else_is_not_replaced(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    digest, into = version(model=b"new"), written(tmp_path / "into", notes=b"mine", config=b"{}")
    with refused("found 'config', whose bytes are not in the store: name a folder that is for downloads alone"):
        store.download(digest, into)
    assert below(into) == {"notes": b"mine", "config": b"{}"}
    assert [path.name for path in tmp_path.iterdir()] == ["into"]
    assert store.read[blob_key(file(b"new").sha256)] == 0


def test_a_version_with_a_file_that_was_changed_is_not_replaced(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    store.download(version(config=b"one", model=b"one"), tmp_path / "into")
    written(tmp_path / "into", config=b"own")
    with refused("found 'config', whose bytes are not in the store"):
        store.download(version(config=b"two"), tmp_path / "into")
    assert below(tmp_path / "into") == {"config": b"own", "model": b"one"}


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/etc"), lambda path: path.symlink_to("model")]
)
def test_a_folder_with_a_link_or_a_pipe_is_not_replaced(
    store: CountingStore, version: Version, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    store.download(version(model=b"one"), tmp_path / "into")
    make(tmp_path / "into" / "other")
    with refused("found 'other', which is a link, a device or a pipe"):
        store.download(version(model=b"two"), tmp_path / "into")
    assert (tmp_path / "into" / "model").read_bytes() == b"one"


def test_the_same_version_again_requests_no_blob_and_leaves_the_folder(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    digest, into = version(model=b"one", deep__config=b"{}"), tmp_path / "into"
    paths = store.download(digest, into)
    before, requests = into.stat().st_ino, store.read[blob_key(file(b"one").sha256)]
    assert store.download(digest, into) == paths
    assert (into.stat().st_ino, store.read[blob_key(file(b"one").sha256)]) == (before, requests)


def test_a_part_of_a_version_becomes_the_version(store: CountingStore, version: Version, tmp_path: Path) -> None:
    """As an older SDK left it when it was killed."""
    into = written(tmp_path / "into", model=b"one")
    written(into / ".modelog-ab12cd_9", **{"0": b"one", "1": b"hal"})
    store.download(version(model=b"one", other=b"half"), into)
    assert below(into) == {"model": b"one", "other": b"half"}
    assert not (into / ".modelog-ab12cd_9").exists()


def test_an_empty_folder_becomes_the_version_and_keeps_its_mode(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    into.mkdir(mode=0o750)
    for content in (b"one", b"two"):
        store.download(version(model=content), into)
        assert (below(into), stat.S_IMODE(into.stat().st_mode)) == ({"model": content}, 0o750)


def test_a_new_folder_has_the_mode_of_any_other(store: CountingStore, version: Version, tmp_path: Path) -> None:
    (plain := tmp_path / "plain").mkdir()
    paths = store.download(version(deep__model=b"one"), tmp_path / "into")
    (plain / "file").touch()
    for made, other in ((paths[0], plain / "file"), (paths[0].parent, plain), (tmp_path / "into", plain)):
        assert made.stat().st_mode == other.stat().st_mode


@pytest.mark.usefixtures("steps")
def test_a_reader_keeps_the_files_that_it_has_opened(store: CountingStore, version: Version, tmp_path: Path) -> None:
    (model,) = store.download(version(model=b"one"), tmp_path / "into")
    with model.open("rb") as reader:
        store.download(version(model=b"two"), tmp_path / "into")
        assert (reader.read(), model.read_bytes()) == (b"one", b"two")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), MemoryError()])
def test_a_download_that_is_interrupted_leaves_all_as_it_was(
    store: CountingStore, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    one, two = version(model=b"one"), version(model=b"two")
    store.download(one, tmp_path / "into")
    for into in (tmp_path / "into", tmp_path / "new" / "deep" / "into"):
        with monkeypatch.context() as patched:
            at_the_first_blob(store, patched, raising(error))
            with pytest.raises(type(error)):
                store.download(two, into)
    assert below(tmp_path) == {"into/model": b"one"}
    assert [path.name for path in tmp_path.iterdir()] == ["into"]


async def test_a_download_refuses_other_bytes_and_writes_nothing(store: CountingStore, tmp_path: Path) -> None:
    good, bad = kept(store, b"good", "a"), kept(store, b"right", "b")
    digest = (await pin(store, good, bad)).manifest
    put(store, blob_key(bad.sha256), b"wrong")
    with pytest.raises(Damaged, match=f"expected b with 5 bytes and sha256 {bad.sha256}"):
        store.download(digest, tmp_path / "new" / "into")
    assert empty(tmp_path)


@pytest.mark.parametrize("content", [b"", b"longer than it was", b"short"])
async def test_a_download_refuses_another_length(store: CountingStore, tmp_path: Path, content: bytes) -> None:
    digest = (await pin(store, model := kept(store, b"as long as this"))).manifest
    put(store, blob_key(model.sha256), content)
    with pytest.raises(Damaged, match="with 15 bytes"):
        store.download(digest, tmp_path / "into")
    assert empty(tmp_path)


def test_a_download_refuses_a_manifest_with_other_bytes(store: CountingStore, tmp_path: Path) -> None:
    digest, _ = manifest([file(b"")])
    put(store, manifest_key(digest), b'{"files":[]}')
    with pytest.raises(Damaged, match=f"expected a manifest with the digest {digest}, found sha256:"):
        store.download(digest, tmp_path / "into")


def test_a_download_of_a_manifest_that_is_not_there_is_refused(store: CountingStore, tmp_path: Path) -> None:
    with pytest.raises(Absent, match="found no such object"):
        store.download(manifest([file(b"")])[0], tmp_path / "into")


def test_more_bytes_than_the_bound_are_refused_before_the_first(
    store: CountingStore, version: Version, tmp_path: Path
) -> None:
    digest, content = manifest([File(path="model", size=2**60, sha256=file(b"").sha256)])
    put(store, manifest_key(digest), content)
    with refused(f"expected a version of at most {1024**4} bytes, found {2**60}: raise max_bytes"):
        store.download(digest, tmp_path / "into")
    with refused("expected a version of at most 2 bytes, found 3"):
        store.download(version(a=b"1", b=b"23"), tmp_path / "into", max_bytes=2)
    with pytest.raises(OSError, match=rf"expected {2**60} bytes free in .*, found \d+: free space there") as raised:
        store.download(digest, tmp_path / "into", max_bytes=2**60)
    assert raised.value.errno == 28
    assert empty(tmp_path)
    assert not any(key.startswith("blobs/") for key in store.read)
