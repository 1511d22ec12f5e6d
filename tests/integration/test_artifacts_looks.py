"""How the bytes of a version are looked at: which requests, how many, how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Unavailable
from modelog.values import File

from shared.artifacts import presence, store
from shared.artifacts.presence import Presence
from shared.artifacts.recently_seen import manifest_question
from shared.artifacts.store import ArtifactStore
from shared.domain.looking import BytesSeen
from tests.integration.artifacts import CountingStore, kept, opened_store, put, sentences
from tests.integration.s3_proxy import Proxy, proxied


@pytest.fixture
def proxy(addresses: Mapping[str, str]) -> Iterator[Proxy]:
    with proxied(addresses["MODELOG_S3_ENDPOINT"]) as proxy:
        yield proxy


@pytest.fixture
def artifacts(addresses: Mapping[str, str], store: CountingStore, proxy: Proxy) -> Iterator[ArtifactStore]:
    """A process that knows nothing of what was pinned, with a proxy before its store."""
    opened = ArtifactStore(opened_store(addresses, store.bucket, ENDPOINT=proxy.endpoint))
    yield opened
    opened.close()


async def listed(store: CountingStore, *files: File) -> str:
    """The digest of a manifest that is in the store."""
    digest, content = manifest(files)
    await asyncio.to_thread(put, store, manifest_key(digest), content)
    return digest


async def several(store: CountingStore, number: int) -> list[File]:
    """Files whose blobs are in the store."""
    works = (asyncio.to_thread(kept, store, b"%d" % n, f"part-{n:04}") for n in range(number))
    return list(await asyncio.gather(*works))


async def test_the_manifest_is_read_and_of_each_blob_the_size_is_asked(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    files = await several(store, 3)
    digest = await listed(store, *files)
    assert await Presence(artifacts).look(digest) == BytesSeen(digest, (), 3, 3)
    assert proxy.counted == {"GET": 1, "HEAD": 3}


async def test_a_blob_that_several_files_share_is_asked_for_once(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    same = [kept(store, b"the same", path) for path in "abc"]
    digest = await listed(store, *same)
    assert await Presence(artifacts).look(digest) == BytesSeen(digest, (), 1, 1)
    assert proxy.counted["HEAD"] == 1


async def test_at_most_a_thousand_blobs_are_looked_at_evenly_from_first_to_last(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert presence.MAX_LOOKED_AT == 1000
    monkeypatch.setattr(presence, "MAX_LOOKED_AT", 40)
    files = await several(store, 60)
    digest = await listed(store, *files)
    assert await Presence(artifacts).look(digest) == BytesSeen(digest, (), 40, 60)
    asked = {path.rpartition("/")[2] for method, path in proxy.requests if method == "HEAD"}
    assert proxy.counted["HEAD"] == len(asked) == 40
    assert [n for n, file in enumerate(files) if file.sha256 in asked] == [n for n in range(60) if n % 3 != 2]


async def test_blobs_are_looked_at_32_at_a_time(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0
    look = artifacts.look

    async def counted(*arguments: object) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await look(*arguments)  # type: ignore[arg-type]
        finally:
            running -= 1

    monkeypatch.setattr(artifacts, "look", counted)
    digest = await listed(store, *await several(store, 80))
    assert not (await Presence(artifacts).look(digest)).problems
    assert most == 32
    assert proxy.most_at_once <= 32


async def test_what_was_found_is_not_looked_at_again_within_a_minute(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    files = await several(store, 2)
    digest, other = await listed(store, *files), await listed(store, files[0])
    seen = await Presence(artifacts).look(digest)
    proxy.requests.clear()
    assert await Presence(artifacts).look(digest) == seen
    assert not proxy.requests
    await Presence(artifacts).look(other)
    assert proxy.counted == {"GET": 1}, "another manifest is read, and its blob was seen"
    artifacts.seen.clear()
    assert await Presence(artifacts).look(digest) == seen
    assert proxy.counted == {"GET": 2, "HEAD": 2}


async def test_a_version_is_known_no_longer_than_the_first_of_its_blobs(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    old, new = await several(store, 2)
    await Presence(artifacts).look(await listed(store, old))
    for question, (at, answer) in artifacts.seen._seen.items():
        artifacts.seen._seen[question] = at - 40, answer
    digest = await listed(store, old, new)
    seen = await Presence(artifacts).look(digest)
    assert Presence(artifacts).known(digest) == seen
    for question, (at, answer) in artifacts.seen._seen.items():
        artifacts.seen._seen[question] = at - 30, answer
    proxy.requests.clear()
    assert Presence(artifacts).known(digest) is None
    await Presence(artifacts).look(digest)
    assert proxy.counted == {"GET": 1, "HEAD": 1}, "the other blob was looked at within the minute"


async def test_a_version_that_several_ask_for_is_looked_at_once(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    digest = await listed(store, *await several(store, 2))
    presence = Presence(artifacts)
    seen = await asyncio.gather(*(presence.look(digest) for _ in range(5)))
    assert len(set(seen)) == 1
    assert proxy.counted == {"GET": 1, "HEAD": 2}


def test_a_minute_is_a_minute() -> None:
    assert store.SEEN_SECONDS == 60


async def test_a_problem_is_looked_at_again(artifacts: ArtifactStore, store: CountingStore) -> None:
    (file,) = await several(store, 1)
    digest = await listed(store, file)
    store.client.remove_object(store.bucket, blob_key(file.sha256))
    assert (await Presence(artifacts).look(digest)).reasons == ("missing object",)
    put(store, blob_key(file.sha256), b"0")
    assert not (await Presence(artifacts).look(digest)).problems


async def test_after_ten_problems_the_other_blobs_are_not_looked_at(
    artifacts: ArtifactStore, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOOKS_AT_ONCE", 4)
    missing = [File(path=f"part-{n:04}", size=1, sha256=f"{n:064x}") for n in range(200)]
    seen = await Presence(artifacts).look(await listed(store, *missing))
    assert 10 <= len(seen.problems) == seen.looked_at < 14
    assert seen.blobs == 200
    assert seen.sentence.endswith(f"; {seen.looked_at} of 200 blobs were looked at")


async def test_a_blob_whose_etag_has_changed_is_read(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    (file,) = await several(store, 1)
    digest = await listed(store, file)
    assert not (await Presence(artifacts).look(digest)).problems
    put(store, blob_key(file.sha256), b"1")
    artifacts.seen.clear()
    (problem,) = (await Presence(artifacts).look(digest)).problems
    assert problem.reason == "digest differs"
    assert problem.sentence == (
        f"expected 'part-0000' with sha256 {file.sha256} at {blob_key(file.sha256)}, found other bytes in its place: "
        "upload the bytes again"
    )


async def test_a_blob_that_was_put_again_is_read_once(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    """A store that encrypts, or other parts of an upload, give the same bytes another ETag."""
    (file,) = await several(store, 1)
    digest = await listed(store, file)
    await Presence(artifacts).look(digest)
    proxy.headers[blob_key(file.sha256)] = {"ETag": '"another"'}
    for reads in (1, 0):
        proxy.requests.clear()
        artifacts.seen.clear()
        assert not (await Presence(artifacts).look(digest)).problems
        assert [path for method, path in proxy.requests if method == "GET"][1:] == reads * [
            f"/{store.bucket}/{blob_key(file.sha256)}"
        ]


async def test_a_manifest_that_is_gone_is_the_only_problem_where_its_files_are_not_known(
    artifacts: ArtifactStore, store: CountingStore
) -> None:
    digest, _ = manifest(await several(store, 2))
    seen = await Presence(artifacts).look(digest)
    assert sentences(seen) == [
        f"expected a manifest at s3://{store.bucket}/{manifest_key(digest)}, found none: register the bytes again"
    ]


@pytest.mark.parametrize("code", ["InvalidObjectState", "AccessDenied"])
@pytest.mark.parametrize("what", ["blob", "manifest"])
@pytest.mark.parametrize("files_known", [False, True])
async def test_an_object_that_the_store_refuses_is_a_problem_and_no_outage(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy, code: str, what: str, files_known: bool
) -> None:
    (file,) = await several(store, 1)
    digest = await listed(store, file)
    proxy.deny(blob_key(file.sha256) if what == "blob" else manifest_key(digest), code)
    seen = await Presence(artifacts).look(digest, [file] if files_known else None)
    assert seen.reasons == ("unreadable object",)
    # S3 answers a HEAD without an error code.
    assert (code if what == "manifest" else "AccessDenied") in seen.sentence
    proxy.errors.clear()
    assert not (await Presence(artifacts).look(digest)).problems


async def test_a_blob_that_is_archived_is_a_problem_until_it_is_restored(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy
) -> None:
    """S3 tells the size of an archived object, and refuses to read it."""
    (file,) = await several(store, 1)
    digest, key = await listed(store, file), blob_key(file.sha256)
    proxy.headers[key] = {"x-amz-storage-class": "GLACIER"}
    seen = await Presence(artifacts).look(digest)
    assert seen.reasons == ("unreadable object",)
    assert seen.sentence.startswith("'part-0000' cannot be read: expected ")
    assert "restore it from the archive" in seen.sentence
    proxy.headers[key]["x-amz-restore"] = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"'
    assert not (await Presence(artifacts).look(digest)).problems


@pytest.mark.parametrize(
    "code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed"]
)
async def test_keys_of_ours_that_are_wrong_are_waited_for(
    artifacts: ArtifactStore, store: CountingStore, proxy: Proxy, code: str
) -> None:
    (file,) = await several(store, 1)
    digest = await listed(store, file)
    proxy.deny("", code)
    with pytest.raises(Unavailable):
        await Presence(artifacts).look(digest)
    with pytest.raises(Unavailable):
        await Presence(artifacts).look(digest, [file])


async def test_a_bucket_that_is_gone_is_waited_for(addresses: Mapping[str, str], store: CountingStore) -> None:
    """A HEAD of an object in it is answered like that of an object that is gone."""
    (file,) = await several(store, 1)
    opened = ArtifactStore(opened_store(addresses, f"{store.bucket}-gone"))
    digest, _ = manifest([file])
    opened.seen.add(manifest_question(digest))
    with pytest.raises(Unavailable, match="has no bucket"):
        await Presence(opened).look(digest, [file])
    opened.close()
