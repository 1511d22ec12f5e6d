"""Addresses of other buckets and folders: their files are copied in, or refused."""

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace

import pytest
from modelog.manifest import blob_key, manifest, manifest_key

from services.ingestion import limits
from shared.runtime.errors import is_transient
from tests.integration.artifacts import (
    CountingStore,
    below,
    file,
    kept,
    keys,
    opened_store,
    pin,
    put,
    refusal,
)


@pytest.mark.parametrize("count", [1, 3, 1100])
async def test_a_foreign_folder_is_copied_in(store: CountingStore, foreign: CountingStore, count: int) -> None:
    contents = {f"deep/{number:04}.bin": b"%d" % number for number in range(count)}
    for path, content in contents.items():
        put(foreign, f"runs/a b+?#ü/{path}", content)
    put(foreign, "runs/a b+?#ü2/other", b"not of this model")
    pinned = await pin(store, uri=f"s3://{foreign.bucket}/runs/a b+?#ü")
    assert pinned.files == tuple(file(content, path) for path, content in contents.items())
    assert keys(store) == {blob_key(file.sha256) for file in pinned.files} | {manifest_key(pinned.manifest)}
    assert await pin(store, uri=f"s3://{foreign.bucket}/runs/a b+?#ü/") == pinned


async def test_a_foreign_object_keeps_its_name(store: CountingStore, foreign: CountingStore) -> None:
    put(foreign, "runs/7/model.pkl", b"bytes")
    assert (await pin(store, uri=f"s3://{foreign.bucket}/runs/7/model.pkl")).files == (file(b"bytes", "model.pkl"),)


async def test_a_large_foreign_object_is_copied_in(
    store: CountingStore, foreign: CountingStore, tmp_path: Path
) -> None:
    content = os.urandom(20 * 1024 * 1024 + 1)
    put(foreign, "run/large", content)
    pinned = await pin(store, uri=f"s3://{foreign.bucket}/run")
    store.download(pinned.manifest, tmp_path)
    assert below(tmp_path) == {"large": content}


async def test_bytes_that_are_here_already_are_not_copied(store: CountingStore, foreign: CountingStore) -> None:
    model = kept(store, b"bytes", "model")
    put(foreign, "run/model", b"bytes")
    assert (await pin(store, uri=f"s3://{foreign.bucket}/run")).files == (model,)
    assert store.sent[blob_key(model.sha256)] == 1


async def test_a_folder_of_our_own_bucket_is_copied_in(store: CountingStore) -> None:
    put(store, "inbox/model", b"bytes")
    assert (await pin(store, uri=f"s3://{store.bucket}/inbox")).files == (file(b"bytes", "model"),)


async def test_our_own_manifest_names_its_files(store: CountingStore) -> None:
    pinned = await pin(store, kept(store, b"bytes"))
    assert await pin(store, uri=pinned.uri) == pinned


async def test_a_manifest_that_we_do_not_have_is_a_missing_object(store: CountingStore) -> None:
    assert (await refusal(store, uri=store.uri(manifest([file(b"")])[0]))).reasons == ("missing object",)


@pytest.mark.parametrize("key", ["nothing", "nothing/", "run/mod"])
async def test_a_foreign_folder_without_objects_has_no_files(
    store: CountingStore, foreign: CountingStore, key: str
) -> None:
    put(foreign, "run/model", b"bytes")
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/{key}")
    assert refused.reasons == ("no files",)
    assert refused.sentence == f"expected files below 's3://{foreign.bucket}/{key}', found none: upload them first"


@pytest.mark.parametrize(
    "uri",
    ["s3://no-such-bucket/run", "s3://_/run", "s3://x", "s3://", "gs://bucket/run", "/data/run", "s3://b/\x00/.."],
)
async def test_an_address_that_cannot_be_read_is_refused(store: CountingStore, uri: str) -> None:
    refused = await refusal(store, uri=uri)
    assert refused.reasons == ("foreign prefix unreadable",)
    assert refused.sentence.isprintable()


async def test_all_of_our_own_bucket_is_no_model(store: CountingStore) -> None:
    assert (await refusal(store, uri=f"s3://{store.bucket}")).reasons == ("foreign prefix unreadable",)


async def test_a_foreign_path_that_is_unsafe_is_refused(store: CountingStore, foreign: CountingStore) -> None:
    put(foreign, "run/a\\b", b"bytes")
    assert (await refusal(store, uri=f"s3://{foreign.bucket}/run")).reasons == ("unsafe path",)


async def test_foreign_paths_that_some_system_takes_for_the_same_are_refused(
    store: CountingStore, foreign: CountingStore
) -> None:
    put(foreign, "run/Vocab.txt", b"1")
    put(foreign, "run/vocab.txt", b"2")
    assert (await refusal(store, uri=f"s3://{foreign.bucket}/run")).reasons == ("repeated path",)
    assert store.read.total() == 0


async def test_files_of_an_older_manifest_are_registered_again_by_the_rule_of_today(store: CountingStore) -> None:
    digest, content = manifest([kept(store, b"bytes", "CON.txt")])
    put(store, manifest_key(digest), content)
    assert (await refusal(store, uri=store.uri(digest))).reasons == ("unsafe path",)
    assert (await refusal(store, file(b"bytes", "CON.txt"))).reasons == ("unsafe path",)


async def test_a_foreign_folder_too_large_for_a_message_is_refused(
    store: CountingStore, foreign: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_MANIFEST_BYTES", 290)
    for number in range(3):
        put(foreign, f"run/{number}", b"bytes")
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/run")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "found more than 2, which do not fit into a message" in refused.sentence


@pytest.mark.parametrize("key", ["x" * 5000, "x" * 1024 * 1024, "ü" * 513, "/" * 1025, "a/" * 513])
@pytest.mark.parametrize("bucket", ["another", None])
async def test_a_key_longer_than_s3_takes_is_refused_without_a_request(
    addresses: Mapping[str, str], bucket: str | None, key: str
) -> None:
    down = opened_store(addresses, ENDPOINT="http://127.0.0.1:1")
    refused = await refusal(down, uri=f"s3://{bucket or down.bucket}/{key}")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "whose key is above 1024 bytes" in refused.sentence
    assert len(refused.sentence) < 500


@pytest.mark.parametrize(
    "key", ["blobs", "blobs/", "blobs/sha256/00", "manifests/sha256", "x/../blobs", "//blobs", ".."]
)
async def test_the_folders_of_modelog_itself_are_refused(store: CountingStore, key: str) -> None:
    kept(store, b"of another model")
    refused = await refusal(store, uri=f"s3://{store.bucket}/{key}")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "name one manifest, or files" in refused.sentence


async def test_only_the_buckets_that_are_named_are_read(store: CountingStore, foreign: CountingStore) -> None:
    put(foreign, "run/model", b"bytes")
    put(store, "inbox/model", b"bytes")
    there, here = f"s3://{foreign.bucket}/run", f"s3://{store.bucket}/inbox"
    refused = await refusal(store, uri=there, readable=["another"])
    assert refused.reasons == ("foreign prefix unreadable",)
    assert f"that MODELOG_FOREIGN_BUCKETS names, found '{foreign.bucket}'" in refused.sentence
    assert await pin(store, uri=there, readable=[foreign.bucket]) == await pin(store, uri=here, readable=[])


@pytest.mark.parametrize(("limit", "most"), [("MAX_COPY_BYTES", 4), ("MAX_ARTIFACT_BYTES", 9)])
async def test_foreign_objects_that_are_too_large_are_refused_before_they_are_read(
    store: CountingStore, foreign: CountingStore, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(limits, limit, most)
    for number in range(2):
        put(foreign, f"run/{number}", b"bytes")
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/run")
    assert refused.reasons == ("too large",)
    assert store.read.total() == 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Makes the disk for temporary files so large, with so many bytes free."""

    def has(total: int, free: int) -> None:
        monkeypatch.setattr(
            "services.ingestion.foreign.shutil.disk_usage", lambda _: SimpleNamespace(total=total, free=free)
        )

    return has


LARGE = b"x" * (9 * 1024 * 1024)


async def test_a_foreign_object_that_our_disk_can_never_hold_is_refused(
    store: CountingStore, foreign: CountingStore, disk: Callable[[int, int], None]
) -> None:
    put(foreign, "run/large", LARGE)
    disk(len(LARGE) - 1, 0)
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/run")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "found a disk of 9437183 bytes for its 9437184: upload it with the SDK" in refused.sentence


async def test_a_full_disk_of_ours_is_raised_and_no_fault_of_the_message(
    store: CountingStore, foreign: CountingStore, disk: Callable[[int, int], None]
) -> None:
    put(foreign, "run/large", LARGE)
    disk(len(LARGE), len(LARGE) - 1)
    with pytest.raises(OSError, match="found 9437183: free space there") as raised:
        await pin(store, uri=f"s3://{foreign.bucket}/run")
    assert is_transient(raised.value)
    assert keys(store) == set()
    disk(len(LARGE), len(LARGE))
    await pin(store, uri=f"s3://{foreign.bucket}/run")


async def test_a_disk_of_ours_that_becomes_full_meanwhile_is_raised(
    store: CountingStore, foreign: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(SpooledTemporaryFile[bytes]):
        def rollover(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("services.ingestion.foreign.SpooledTemporaryFile", Full)
    put(foreign, "run/large", LARGE)
    with pytest.raises(OSError, match="No space left on device"):
        await pin(store, uri=f"s3://{foreign.bucket}/run")
