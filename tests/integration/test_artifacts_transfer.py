"""Upload and download by the SDK."""

import os
from pathlib import Path

from modelog.manifest import blob_key
from modelog.values import Artifact

from tests.integration.artifacts import CountingStore, below, file, keys, pin, put, written


async def test_what_was_uploaded_comes_back(store: CountingStore, tmp_path: Path) -> None:
    folder = written(tmp_path / "model", weights=os.urandom(3_000_000), empty=b"", nested__deep__config=b"{}")
    artifact = store.upload(folder)
    pinned = await pin(store, *artifact.files)
    paths = store.download(pinned.manifest, tmp_path / "served")
    assert below(tmp_path / "served") == below(folder)
    assert paths == [tmp_path / "served" / file.path for file in pinned.files]


def test_a_single_file_keeps_its_name(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, model=b"bytes")
    assert store.upload(tmp_path / "model") == Artifact(files=(file(b"bytes", "model"),))


def test_files_may_be_named_for_the_artifact(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, x=b"bytes")
    assert store.upload({"a/model.bin": str(tmp_path / "x")}).files == (file(b"bytes", "a/model.bin"),)


def test_the_same_bytes_are_stored_and_sent_once(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, a=b"same", b=b"same")
    store.upload(tmp_path)
    store.upload(tmp_path)
    assert keys(store) == {blob_key(file(b"same").sha256)}
    assert store.sent.total() == 1


async def test_a_file_of_several_parts_is_sent_once_and_comes_back(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path / "model", large=os.urandom(40 * 1024 * 1024 + 1))
    artifact = store.upload(tmp_path / "model")
    store.upload(tmp_path / "model")
    store.download((await pin(store, *artifact.files)).manifest, tmp_path / "served")
    assert below(tmp_path / "served") == below(tmp_path / "model")
    assert store.sent[blob_key(artifact.files[0].sha256)] == 1


async def test_an_upload_repairs_other_bytes_of_the_same_size(store: CountingStore, tmp_path: Path) -> None:
    written(tmp_path, model=b"right")
    put(store, blob_key(file(b"right").sha256), b"wrong")
    assert (await pin(store, *store.upload(tmp_path).files)).files == (file(b"right", "model"),)
