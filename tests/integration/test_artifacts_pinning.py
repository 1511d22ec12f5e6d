"""Files that are pinned, and files that are refused."""

import asyncio
import os

import pytest
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.values import Artifact

from services.ingestion import limits
from services.ingestion.pinned import Pinned, Unpinnable
from shared.artifacts.presence import Presence
from shared.artifacts.store import FILES_AT_ONCE, MAX_FAULTS
from tests.integration.artifacts import (
    CountingStore,
    file,
    kept,
    keys,
    pin,
    pinning,
    put,
    refusal,
)


async def test_pinned_files_are_named_by_their_manifest(store: CountingStore) -> None:
    b, a = kept(store, b"second", "b"), kept(store, b"x" * 1000, "a")
    digest, content = manifest([a, b])
    assert await pin(store, b, a) == Pinned(
        manifest=digest,
        uri=f"s3://{store.bucket}/{manifest_key(digest)}",
        size=1006,
        format="unknown",
        files=(a, b),
    )
    with store.reading(manifest_key(digest)) as response:
        assert response.read() == content


async def test_pinning_again_changes_nothing(store: CountingStore) -> None:
    model = kept(store, b"bytes")
    assert await pin(store, model) == await pin(store, model)
    assert store.sent[manifest_key(manifest([model])[0])] == 1


async def test_bytes_that_were_read_are_not_read_again(store: CountingStore) -> None:
    model = kept(store, os.urandom(100_000))
    files = [model.model_copy(update={"path": f"{number}"}) for number in range(50)]

    with pinning(store) as artifacts:
        pinned = await asyncio.gather(*(artifacts.pin(Artifact(files=(file,))) for file in files))
    assert len({answer.manifest for answer in pinned if isinstance(answer, Pinned)}) == 50
    assert store.read[blob_key(model.sha256)] == 1


async def test_bytes_that_were_just_checked_are_not_checked_again(store: CountingStore) -> None:
    model = kept(store, b"right")

    with pinning(store) as artifacts:
        pinned = await artifacts.pin(Artifact(files=(model,)))
        assert isinstance(pinned, Pinned)
        assert not (await Presence(artifacts.artifacts).look(pinned.manifest, pinned.files)).problems
        put(store, blob_key(model.sha256), b"gone!")
        assert isinstance(await artifacts.pin(Artifact(files=(model,))), Pinned)
        assert not (await Presence(artifacts.artifacts).look(pinned.manifest, pinned.files)).problems


async def test_an_artifact_that_was_just_pinned_is_known_for_a_while(store: CountingStore) -> None:
    artifact = Artifact(files=(kept(store, b"right"),))
    larger = Artifact(files=(artifact.files[0].model_copy(update={"size": 6}),))

    with pinning(store) as artifacts, pinning(store, seen_seconds=0) as forgetful:
        assert artifacts.known(artifact) is None
        pinned = await artifacts.pin(artifact)
        assert artifacts.known(artifact) == pinned
        assert artifacts.known(larger) is None
        assert await forgetful.pin(artifact) == pinned
        assert forgetful.known(artifact) is None


async def test_bytes_that_were_replaced_are_read_again(store: CountingStore) -> None:
    model = kept(store, b"right")

    with pinning(store, seen_seconds=0) as artifacts:
        assert isinstance(await artifacts.pin(Artifact(files=(model,))), Pinned)
        put(store, blob_key(model.sha256), b"wrong")
        refused = await artifacts.pin(Artifact(files=(model,)))
    assert isinstance(refused, Unpinnable)
    assert refused.reasons == ("digest differs",)


async def test_many_files_are_pinned_together(store: CountingStore) -> None:
    files = [kept(store, b"%d" % number, f"part/{number:03}") for number in range(200)]
    assert (await pin(store, *files)).files == tuple(files)


async def test_after_ten_missing_files_the_others_are_not_looked_at(store: CountingStore) -> None:
    refused = await refusal(store, *(file(b"%d" % number, f"{number}") for number in range(3000)))
    assert refused.reasons == ("missing object",)
    assert store.read.total() <= MAX_FAULTS + FILES_AT_ONCE
    assert refused.sentence.endswith(f"; {3000 - store.read.total()} files were not looked at")


async def test_files_with_ten_bad_paths_are_not_looked_at(store: CountingStore) -> None:
    refused = await refusal(store, *(kept(store, b"bytes", f"../{number}") for number in range(11)))
    assert refused.reasons == ("unsafe path",)
    assert store.read.total() == 0


@pytest.mark.parametrize(("limit", "most"), [("MAX_MANIFEST_BYTES", 290), ("MAX_ARTIFACT_BYTES", 14)])
async def test_an_artifact_with_too_many_files_or_bytes_is_refused_without_a_request(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    pinned = await pin(store, *(kept(store, b"%05d" % number, f"{number}") for number in range(3)))
    monkeypatch.setattr(limits, limit, most)
    read = store.read.total()
    assert (await refusal(store, *pinned.files)).reasons == ("too large",)
    assert store.read.total() == read
    assert (await refusal(store, uri=pinned.uri)).reasons == ("too large",)


async def test_no_files_are_refused(store: CountingStore) -> None:
    assert await refusal(store) == Unpinnable(
        ("no files",), "expected at least one file, found none: upload what training wrote"
    )


async def test_a_missing_object_is_refused(store: CountingStore) -> None:
    assert await refusal(store, missing := file(b"never uploaded")) == Unpinnable(
        ("missing object",),
        f"expected 'model.bin' at {blob_key(missing.sha256)}, found no object there: upload it, then send it again",
    )


async def test_another_size_is_refused(store: CountingStore) -> None:
    model = kept(store, b"bytes").model_copy(update={"size": 6})
    assert await refusal(store, model) == Unpinnable(
        ("size differs",),
        f"expected 'model.bin' with 6 bytes, found 5 at {blob_key(model.sha256)}: upload it again",
    )


async def test_another_digest_is_refused(store: CountingStore) -> None:
    put(store, blob_key(file(b"right").sha256), b"wrong")
    assert await refusal(store, file(b"right")) == Unpinnable(
        ("digest differs",),
        f"expected 'model.bin' with sha256 {file(b'right').sha256}, found bytes with {file(b'wrong').sha256} "
        "in its place: upload it again",
    )


@pytest.mark.parametrize("path", ["../model", "/model", "", "a\x00b"])
async def test_an_unsafe_path_is_refused(store: CountingStore, path: str) -> None:
    refused = await refusal(store, kept(store, b"bytes", path))
    assert refused.reasons == ("unsafe path",)
    assert refused.sentence.isprintable()


async def test_a_repeated_path_is_refused(store: CountingStore) -> None:
    assert (await refusal(store, kept(store, b"one"), kept(store, b"two"))).reasons == ("repeated path",)


async def test_a_refusal_names_at_most_ten_problems(store: CountingStore) -> None:
    wrong = [kept(store, b"bytes", "../x"), *(file(b"%d" % number, f"{number}") for number in range(14))]
    refused = await refusal(store, *wrong)
    assert refused.reasons == ("unsafe path", "missing object")
    assert refused.sentence.count("expected") == 9
    assert refused.sentence.endswith(" files were not looked at")
    assert not any(key.startswith("manifests/") for key in keys(store))
