"""Whether the bytes of a version are still there."""

import asyncio
from collections.abc import Mapping

import pytest
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Unavailable

from tests.integration.artifacts import (
    CountingStore,
    kept,
    opened_store,
    pin,
    pinning,
    problems,
    put,
)


async def test_a_bucket_is_made_once(store: CountingStore) -> None:
    with pinning(store) as opened:
        await asyncio.gather(opened.artifacts.make_bucket(), opened.artifacts.make_bucket())
    assert store.client.bucket_exists(store.bucket)


async def test_a_pinned_artifact_has_no_problems(store: CountingStore) -> None:
    pinned = await pin(store, kept(store, b"one", "a"), kept(store, b"two", "b"))
    assert await problems(store, pinned.manifest, *pinned.files) == []


async def test_what_is_gone_is_a_problem(store: CountingStore) -> None:
    pinned = await pin(store, a := kept(store, b"one", "a"), b := kept(store, b"two", "b"))
    store.client.remove_object(store.bucket, blob_key(a.sha256))
    put(store, blob_key(b.sha256), b"longer")
    store.client.remove_object(store.bucket, manifest_key(pinned.manifest))
    assert await problems(store, pinned.manifest, *pinned.files) == [
        f"expected a manifest at {pinned.uri}, found none: register the bytes again",
        f"expected 'a' at {blob_key(a.sha256)}, found no object there: upload the bytes again",
        f"expected 'b' with 3 bytes at {blob_key(b.sha256)}, found 6: upload the bytes again",
    ]


async def test_a_manifest_of_other_files_is_a_problem(store: CountingStore) -> None:
    pinned = await pin(store, a := kept(store, b"one", "a"), kept(store, b"two", "b"))
    assert await problems(store, pinned.manifest, a) == [
        f"expected files whose manifest is {pinned.manifest}, found files of {manifest([a])[0]}: "
        "register the version again"
    ]


async def test_a_manifest_with_other_bytes_is_a_problem(store: CountingStore) -> None:
    pinned = await pin(store, kept(store, b"bytes"))
    put(store, manifest_key(pinned.manifest), b"{}")
    (problem,) = await problems(store, pinned.manifest, *pinned.files)
    assert problem.startswith(f"expected a manifest with the digest {pinned.manifest}, found sha256:")


async def test_problems_of_a_store_that_is_down_are_raised(addresses: Mapping[str, str]) -> None:
    with pytest.raises(Unavailable):
        await problems(opened_store(addresses, ENDPOINT="http://127.0.0.1:1"), manifest([])[0])
