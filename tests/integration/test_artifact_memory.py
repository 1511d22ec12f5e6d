"""What is remembered of artifacts and for how long, what is never remembered, and the limits of all of it."""

import asyncio
import errno
import hashlib
import io
import itertools
import os
import secrets
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace
from typing import Any

import pytest
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Store
from modelog.values import Artifact, File

from services.ingestion import pinning as limits
from services.ingestion.blobs import is_same_blob
from services.ingestion.foreign import Foreign
from services.ingestion.pinned import HEAD_BYTES, Pinned, ReadFile, Unpinnable
from services.ingestion.pinning import Pinning
from shared.artifacts import recently_seen
from shared.artifacts.presence import Presence
from shared.artifacts.recently_seen import RecentlySeen, blob_question, manifest_question
from shared.artifacts.store import FILES_AT_ONCE, ITEMS_IN_SLICE, MAX_FAULTS, ArtifactStore
from stack import Addresses
from tests.integration.artifacts import sentences


@pytest.fixture
async def artifacts(stack: Addresses) -> Any:
    """The services' side of an empty bucket."""
    bucket = f"t-{secrets.token_hex(8)}"
    opened = ArtifactStore(Store(stack.s3_endpoint, stack.s3_access_key, stack.s3_secret_key, bucket))
    await opened.make_bucket()
    yield opened
    opened.close()


@pytest.fixture
def pinning(artifacts: ArtifactStore) -> Pinning:
    return Pinning(artifacts)


def file(content: bytes, path: str = "model.bin") -> File:
    return File(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def kept(artifacts: ArtifactStore, content: bytes) -> Artifact:
    """The artifact of a file whose bytes are in the store."""
    put(artifacts, blob_key(file(content).sha256), content)
    return Artifact(files=(file(content),))


def put(artifacts: ArtifactStore, key: str, content: bytes) -> None:
    store = artifacts.store
    store.client.put_object(store.bucket, key, io.BytesIO(content), len(content))


async def pinned(pinning: Pinning, artifact: Artifact) -> Pinned:
    found = await pinning.pin(artifact)
    assert isinstance(found, Pinned)
    return found


async def test_a_manifest_that_was_just_put_is_not_asked_for_again(
    artifacts: ArtifactStore, pinning: Pinning, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, keep = list[str](), artifacts.store.keep

    def recorded(key: str, content: Any, size: int) -> Any:
        asked.append(key)
        return keep(key, content, size)

    monkeypatch.setattr(artifacts.store, "keep", recorded)
    artifact = kept(artifacts, b"bytes")
    found = [await pinned(pinning, artifact) for _ in range(2)]
    assert found[0] == found[1]
    assert asked == [manifest_key(found[0].manifest)]


@pytest.mark.parametrize("gone", ["manifest", "blob"])
async def test_an_artifact_is_known_while_its_manifest_and_its_blobs_were_seen_lately(
    artifacts: ArtifactStore, pinning: Pinning, gone: str
) -> None:
    artifact = kept(artifacts, b"bytes")
    found = await pinned(pinning, artifact)
    assert pinning.known(artifact) == found
    question = manifest_question(found.manifest) if gone == "manifest" else blob_question(found.files[0])
    del artifacts.seen._seen[question]
    assert pinning.known(artifact) is None


async def test_of_many_artifacts_and_files_the_last_are_remembered(
    artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_KNOWN_ARTIFACTS", 2)
    monkeypatch.setattr(limits, "MAX_KNOWN_FILES", 2)
    pinning = Pinning(artifacts)
    three = [kept(artifacts, b"%d" % number) for number in range(3)]
    for artifact in three:
        await pinning.pin(artifact)
    assert [pinning.known(artifact) is not None for artifact in three] == [False, True, True]
    assert len(pinning._files) == 2


async def test_the_first_512_bytes_of_a_file_are_kept_however_large_it_is(
    artifacts: ArtifactStore, pinning: Pinning
) -> None:
    for address in ("files", "folder"):
        content = os.urandom(2 * 1024 * 1024 + 1)
        put(artifacts, "inbox/large", content)
        folder = Artifact(uri=f"s3://{artifacts.store.bucket}/inbox")
        found = await pinned(pinning, kept(artifacts, content) if address == "files" else folder)
        known = pinning._files.get(found.files[0].sha256)
        assert known is not None
        assert known.head == content[:HEAD_BYTES]


async def test_known_bytes_are_read_again_where_another_size_is_promised(
    artifacts: ArtifactStore, pinning: Pinning
) -> None:
    (model,) = kept(artifacts, b"bytes").files
    await pinned(pinning, Artifact(files=(model,)))
    refused = await pinning.pin(Artifact(files=(model.model_copy(update={"size": 6}),)))
    assert isinstance(refused, Unpinnable)
    assert refused.reasons == ("size differs",)


def test_bytes_without_an_etag_are_read_again(pinning: Pinning, monkeypatch: pytest.MonkeyPatch) -> None:
    model = file(b"bytes")
    monkeypatch.setattr(pinning.store, "head", lambda _key: (model.size, ""))
    assert not is_same_blob(pinning.store, ReadFile(model, b"bytes", ""))


async def test_another_error_of_the_disk_than_a_full_one_is_raised(
    artifacts: ArtifactStore, pinning: Pinning, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(SpooledTemporaryFile[bytes]):
        def write(self, *_: Any) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("services.ingestion.foreign.SpooledTemporaryFile", Broken)
    put(artifacts, "inbox/model", b"bytes")
    with pytest.raises(OSError, match="Input/output error"):
        await pinning.pin(Artifact(uri=f"s3://{artifacts.store.bucket}/inbox"))


def test_a_marker_of_a_folder_is_no_file(artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 has such objects; the store of the tests, whose folders are real, has none."""
    found = [SimpleNamespace(object_name=name, size=1, etag="e") for name in ("run/", "run/a", "run/b/", "run/b/c")]
    monkeypatch.setattr(artifacts.store.client, "list_objects", lambda *_, **__: iter(found))
    folder = Foreign(artifacts.store, None).found(f"s3://{artifacts.store.bucket}/run")
    assert isinstance(folder, dict)
    assert {path: found.key for path, found in folder.items()} == {"a": "run/a", "b/c": "run/b/c"}


async def test_what_was_just_pinned_is_not_looked_for(
    artifacts: ArtifactStore, pinning: Pinning, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await pinned(pinning, kept(artifacts, b"bytes"))
    monkeypatch.setattr(artifacts.store, "head", None)
    monkeypatch.setattr(artifacts.store, "files", None)
    assert not (await Presence(artifacts).look(found.manifest, found.files)).problems


async def test_a_manifest_that_was_just_seen_says_nothing_about_other_files(
    artifacts: ArtifactStore, pinning: Pinning
) -> None:
    found = await pinned(pinning, kept(artifacts, b"bytes"))
    for files in ((), (file(b"never uploaded"),)):
        problems = sentences(await Presence(artifacts).look(found.manifest, files))
        assert problems[0].startswith(f"expected files whose manifest is {found.manifest}, found files of ")


async def test_a_problem_is_found_again_the_next_time(artifacts: ArtifactStore, pinning: Pinning) -> None:
    found = await pinned(pinning, kept(artifacts, b"bytes"))
    artifacts.seen.clear()
    artifacts.store.client.remove_object(artifacts.store.bucket, blob_key(found.files[0].sha256))
    seen = [await Presence(artifacts).look(found.manifest, found.files) for _ in range(2)]
    assert seen[0].problems == seen[1].problems != ()


async def test_a_blob_that_was_seen_is_asked_for_again_with_another_size(
    artifacts: ArtifactStore, pinning: Pinning
) -> None:
    found = await pinned(pinning, kept(artifacts, b"bytes"))
    assert not (await Presence(artifacts).look(found.manifest, found.files)).problems
    larger = [found.files[0].model_copy(update={"size": 6})]
    digest, content = manifest(larger)
    put(artifacts, manifest_key(digest), content)
    (problem,) = sentences(await Presence(artifacts).look(digest, larger))
    assert "with 6 bytes" in problem
    assert "found 5" in problem


async def test_four_files_of_an_artifact_are_read_at_a_time(artifacts: ArtifactStore) -> None:
    running = most = 0

    async def work(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _turn in range(3):
            await asyncio.sleep(0)
        running -= 1

    await artifacts.each(work, range(20))
    assert most == FILES_AT_ONCE == 4


async def test_the_event_loop_has_its_turns_while_many_files_are_known(artifacts: ArtifactStore) -> None:
    turns = list[int]()
    done = list[int]()

    async def work(number: int) -> None:
        done.append(number)

    async def watch() -> None:
        while len(done) < 1000:
            turns.append(len(done))
            await asyncio.sleep(0)

    await asyncio.gather(artifacts.each(work, range(1000)), watch())
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 4 * ITEMS_IN_SLICE


async def test_after_ten_faults_no_further_file_is_begun(artifacts: ArtifactStore) -> None:
    async def work(number: int) -> bool:
        await asyncio.sleep(0)
        return number % 2 == 0

    outcomes = await artifacts.each(work, range(1000), bool)
    assert MAX_FAULTS <= sum(outcomes) < MAX_FAULTS + FILES_AT_ONCE
    assert len(outcomes) < 4 * MAX_FAULTS
    assert await artifacts.each(work, range(1000), bool, max_faults=0) == []


async def test_the_first_error_of_several_files_is_raised_alone(artifacts: ArtifactStore) -> None:
    async def work(number: int) -> None:
        raise ConnectionError(f"no answer for {number}")

    with pytest.raises(ConnectionError, match="no answer for 0"):
        await artifacts.each(work, range(3))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> RecentlySeen:
    monkeypatch.setattr(recently_seen, "MAX_SEEN", 3)
    return RecentlySeen(3600)


def test_what_was_seen_first_is_forgotten_first(seen: RecentlySeen) -> None:
    for what in "abcad":
        seen.add(what)
    assert [what in seen for what in "abcd"] == [True, False, True, True]


def test_what_was_seen_is_forgotten_after_its_time(seen: RecentlySeen) -> None:
    seen.add("a")
    assert "a" in seen
    at, answer = seen._seen["a"]
    seen._seen["a"] = at - 3600, answer
    assert "a" not in seen
