"""A foreign object is copied once for its ETag and size, however many reports name it."""

import asyncio

import pytest
from modelog.manifest import blob_key
from modelog.values import Artifact

from services.ingestion.pinned import Pinned, ReadFile
from services.ingestion.pinning import Pinning
from tests.integration.artifacts import CountingStore, file, pinning, put


async def pinned(opened: Pinning, foreign: CountingStore, folder: str = "run") -> Pinned:
    found = await opened.pin(Artifact(uri=f"s3://{foreign.bucket}/{folder}"))
    assert isinstance(found, Pinned)
    return found


async def test_an_object_that_several_reports_name_is_copied_once(store: CountingStore, foreign: CountingStore) -> None:
    put(foreign, "run/model", b"bytes")
    with pinning(store) as opened:
        found = await asyncio.gather(*(pinned(opened, foreign) for _ in range(12)))
        assert [answer.files for answer in found] == [(file(b"bytes", "model"),)] * 12
        assert await pinned(opened, foreign, "run/model") == found[0]
    assert store.read["run/model"] == store.sent[blob_key(file(b"bytes").sha256)] == 1


async def test_a_copy_is_made_again_when_the_object_is_replaced(store: CountingStore, foreign: CountingStore) -> None:
    with pinning(store) as opened:
        for content in (b"first", b"other", b"longer"):
            put(foreign, "run/model", content)
            assert (await pinned(opened, foreign)).files == (file(content, "model"),)


async def test_a_copy_of_an_object_says_nothing_about_another_bucket(
    store: CountingStore, foreign: CountingStore
) -> None:
    put(foreign, "run/model", b"bytes")
    put(store, "run/model", b"other")
    with pinning(store) as opened:
        assert (await pinned(opened, foreign)).files == (file(b"bytes", "model"),)
        assert (await pinned(opened, store)).files == (file(b"other", "model"),)


@pytest.mark.parametrize("instead", [None, b"wrong"])
async def test_a_copy_is_made_again_when_our_blob_is_no_longer_what_was_copied(
    store: CountingStore, foreign: CountingStore, instead: bytes | None
) -> None:
    put(foreign, "run/model", b"bytes")
    blob = blob_key(file(b"bytes").sha256)
    with pinning(store, seen_seconds=0) as opened:
        await pinned(opened, foreign)
        store.client.remove_object(store.bucket, blob)
        if instead is not None:
            put(store, blob, instead)
        assert (await pinned(opened, foreign)).files == (file(b"bytes", "model"),)
    assert store.read["run/model"] == 2
    assert store.client.get_object(store.bucket, blob).read() == b"bytes"


async def test_a_copy_under_an_etag_is_known_with_that_etag(store: CountingStore, foreign: CountingStore) -> None:
    put(foreign, "run/model", b"bytes")
    with pinning(store, seen_seconds=0) as opened:
        await pinned(opened, foreign)
        await pinned(opened, foreign)
        known = opened._files.get(file(b"bytes").sha256)
    assert isinstance(known, ReadFile)
    assert store.head(blob_key(known.file.sha256)) == (5, known.etag)
    assert store.read[blob_key(known.file.sha256)] == 0, "an ETag was compared, and nothing was read"
