import asyncio
import errno
import hashlib
import io
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from modelog.store import Absent, Damaged, Store, Unavailable, blob_key, manifest, manifest_key
from modelog.values import Artifact, File
from urllib3 import BaseHTTPResponse

from services.ingestion.pinned import Pinned, Unpinnable
from services.ingestion.pinning import Pinning
from services.validation.presence import Presence
from shared.artifacts.store import ArtifactStore
from stack import Addresses


@pytest.fixture(scope="session")
def addresses(stack: Addresses) -> Mapping[str, str]:
    return stack.env


class Watched(Store):
    """A store that counts what is read and put."""

    def __init__(self, *address: str) -> None:
        super().__init__(*address)
        self.read: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        put = self.client.put_object

        def counted(bucket: str, key: str, *arguments: Any, **options: Any) -> Any:
            self.sent[key] += 1
            return put(bucket, key, *arguments, **options)

        setattr(self.client, "put_object", counted)  # noqa: B010  (mypy refuses an assignment to a method)

    @contextmanager
    def reading(self, key: str, bucket: str | None = None) -> Iterator[BaseHTTPResponse]:
        self.read[key] += 1
        with super().reading(key, bucket) as response:
            yield response


def opened_store(addresses: Mapping[str, str], bucket: str | None = None, **instead: str) -> Watched:
    given = {**addresses, **{f"MODELOG_S3_{name}": value for name, value in instead.items()}}
    names = [f"MODELOG_S3_{name}" for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY")]
    return Watched(*(given[name] for name in names), bucket or f"t-{uuid4().hex}")


@contextmanager
def pinning(store: Store, foreign: Collection[str] | None = None, seen_seconds: float = 30.0) -> Iterator[Pinning]:
    """The services' side of the store."""
    artifacts = ArtifactStore(store, seen_seconds)
    try:
        yield Pinning(artifacts, foreign)
    finally:
        artifacts.close()


@pytest.fixture
async def store(addresses: Mapping[str, str]) -> Watched:
    store = opened_store(addresses)
    with pinning(store) as opened:
        await opened.artifacts.make_bucket()
    return store


@pytest.fixture
def foreign(addresses: Mapping[str, str]) -> Watched:
    store = opened_store(addresses)
    store.client.make_bucket(store.bucket)
    return store


def put(store: Store, key: str, content: bytes) -> None:
    store.client.put_object(store.bucket, key, io.BytesIO(content), len(content))


def file(content: bytes, path: str = "model.bin") -> File:
    return File(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def kept(store: Store, content: bytes, path: str = "model.bin") -> File:
    put(store, blob_key(file(content).sha256), content)
    return file(content, path)


def keys(store: Store) -> set[str]:
    return {found.object_name or "" for found in store.client.list_objects(store.bucket, recursive=True)}


async def outcome(
    store: Store, *files: File, uri: str | None = None, readable: Collection[str] | None = None
) -> Pinned | Unpinnable:
    with pinning(store, readable) as artifacts:
        return await artifacts.pin(Artifact(files=files, uri=uri))


async def pin(store: Store, *files: File, uri: str | None = None, readable: Collection[str] | None = None) -> Pinned:
    pinned = await outcome(store, *files, uri=uri, readable=readable)
    assert isinstance(pinned, Pinned)
    return pinned


async def refusal(
    store: Store, *files: File, uri: str | None = None, readable: Collection[str] | None = None
) -> Unpinnable:
    refused = await outcome(store, *files, uri=uri, readable=readable)
    assert isinstance(refused, Unpinnable)
    return refused


async def faults(store: Store, digest: str, *files: File) -> list[str]:
    with pinning(store) as opened:
        return await Presence(opened.artifacts).problems(digest, files)


def written(folder: Path, **contents: bytes) -> Path:
    for name, content in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def empty(folder: Path) -> bool:
    return not any(folder.iterdir())


# The SDK's side.


async def test_what_was_uploaded_comes_back(store: Watched, tmp_path: Path) -> None:
    folder = written(tmp_path / "model", weights=os.urandom(3_000_000), empty=b"", nested__deep__config=b"{}")
    artifact = store.upload(folder)
    pinned = await pin(store, *artifact.files)
    paths = store.download(pinned.manifest, tmp_path / "served")
    assert below(tmp_path / "served") == below(folder)
    assert paths == [tmp_path / "served" / file.path for file in pinned.files]


def test_a_single_file_keeps_its_name(store: Watched, tmp_path: Path) -> None:
    written(tmp_path, model=b"bytes")
    assert store.upload(tmp_path / "model") == Artifact(files=(file(b"bytes", "model"),))


def test_files_may_be_named_for_the_artifact(store: Watched, tmp_path: Path) -> None:
    written(tmp_path, x=b"bytes")
    assert store.upload({"a/model.bin": str(tmp_path / "x")}).files == (file(b"bytes", "a/model.bin"),)


def test_the_same_bytes_are_stored_and_sent_once(store: Watched, tmp_path: Path) -> None:
    written(tmp_path, a=b"same", b=b"same")
    store.upload(tmp_path)
    store.upload(tmp_path)
    assert keys(store) == {blob_key(file(b"same").sha256)}
    assert store.sent.total() == 1


async def test_a_file_of_several_parts_is_sent_once_and_comes_back(store: Watched, tmp_path: Path) -> None:
    written(tmp_path / "model", large=os.urandom(40 * 1024 * 1024 + 1))
    artifact = store.upload(tmp_path / "model")
    store.upload(tmp_path / "model")
    store.download((await pin(store, *artifact.files)).manifest, tmp_path / "served")
    assert below(tmp_path / "served") == below(tmp_path / "model")
    assert store.sent[blob_key(artifact.files[0].sha256)] == 1


async def test_an_upload_repairs_other_bytes_of_the_same_size(store: Watched, tmp_path: Path) -> None:
    written(tmp_path, model=b"right")
    put(store, blob_key(file(b"right").sha256), b"wrong")
    assert (await pin(store, *store.upload(tmp_path).files)).files == (file(b"right", "model"),)


def test_an_empty_folder_is_not_uploaded(store: Watched, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected files to upload, found none in"):
        store.upload(tmp_path)


def test_a_file_that_is_not_there_is_not_uploaded(store: Watched, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a file at .*nothing, found none"):
        store.upload(tmp_path / "nothing")


def test_a_path_that_leads_out_of_the_artifact_is_not_uploaded(store: Watched, tmp_path: Path) -> None:
    written(tmp_path, model=b"")
    with pytest.raises(ValueError, match=r"expected a relative path inside the artifact, found '\.\./model'"):
        store.upload({"../model": tmp_path / "model"})
    assert keys(store) == set()


@pytest.mark.parametrize("target", ["secret", "."])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(store: Watched, tmp_path: Path, target: str) -> None:
    written(tmp_path, secret=b"key", model__weights=b"")
    (tmp_path / "model" / "link").symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match="which links elsewhere"):
        store.upload(tmp_path / "model")
    assert keys(store) == set()


def test_a_link_inside_the_folder_is_a_file(store: Watched, tmp_path: Path) -> None:
    written(tmp_path, model=b"bytes")
    (tmp_path / "latest").symlink_to("model")
    assert [file.path for file in store.upload(tmp_path).files] == ["latest", "model"]


async def test_a_download_refuses_other_bytes_and_writes_nothing(store: Watched, tmp_path: Path) -> None:
    good, bad = kept(store, b"good", "a"), kept(store, b"right", "b")
    digest = (await pin(store, good, bad)).manifest
    put(store, blob_key(bad.sha256), b"wrong")
    with pytest.raises(Damaged, match=f"expected b with 5 bytes and sha256 {bad.sha256}"):
        store.download(digest, tmp_path)
    assert empty(tmp_path)


@pytest.mark.parametrize("content", [b"", b"longer than it was", b"short"])
async def test_a_download_refuses_another_length(store: Watched, tmp_path: Path, content: bytes) -> None:
    digest = (await pin(store, model := kept(store, b"as long as this"))).manifest
    put(store, blob_key(model.sha256), content)
    with pytest.raises(Damaged, match="with 15 bytes"):
        store.download(digest, tmp_path)


def test_a_download_refuses_a_manifest_with_other_bytes(store: Watched, tmp_path: Path) -> None:
    digest, _ = manifest([file(b"")])
    put(store, manifest_key(digest), b'{"files":[]}')
    with pytest.raises(Damaged, match=f"expected a manifest with the digest {digest}, found sha256:"):
        store.download(digest, tmp_path)


@pytest.mark.parametrize("path", ["../escaped", "/etc/escaped", "a\\b"])
def test_a_download_refuses_a_manifest_that_leads_out_of_the_folder(store: Watched, tmp_path: Path, path: str) -> None:
    digest, content = manifest([kept(store, b"bytes", path)])
    put(store, manifest_key(digest), content)
    with pytest.raises(Damaged, match="names files that cannot be written"):
        store.download(digest, tmp_path / "served")
    assert empty(tmp_path)


async def test_a_download_does_not_follow_a_link_out_of_the_folder(store: Watched, tmp_path: Path) -> None:
    digest = (await pin(store, kept(store, b"bytes", "link/model"))).manifest
    served, elsewhere = written(tmp_path / "served", here=b""), written(tmp_path / "elsewhere", there=b"")
    (served / "link").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="found a link that leads out"):
        store.download(digest, served)
    assert below(elsewhere) == {"there": b""}


def test_a_download_of_no_manifest_says_so(store: Watched, tmp_path: Path) -> None:
    with pytest.raises(Absent, match="found no such object"):
        store.download(manifest([file(b"")])[0], tmp_path)


# The services' side.


async def test_pinned_files_are_named_by_their_manifest(store: Watched) -> None:
    b, a = kept(store, b"second", "b"), kept(store, b"x" * 1000, "a")
    digest, content = manifest([a, b])
    assert await pin(store, b, a) == Pinned(
        manifest=digest,
        uri=f"s3://{store.bucket}/{manifest_key(digest)}",
        size=1006,
        files=(a, b),
        heads={"a": b"x" * 512, "b": b"second"},
    )
    with store.reading(manifest_key(digest)) as response:
        assert response.read() == content


async def test_pinning_again_changes_nothing(store: Watched) -> None:
    model = kept(store, b"bytes")
    assert await pin(store, model) == await pin(store, model)
    assert store.sent[manifest_key(manifest([model])[0])] == 1


async def test_bytes_that_were_read_are_not_read_again(store: Watched) -> None:
    model = kept(store, os.urandom(100_000))
    files = [model.model_copy(update={"path": f"{number}"}) for number in range(50)]

    with pinning(store) as artifacts:
        pinned = await asyncio.gather(*(artifacts.pin(Artifact(files=(file,))) for file in files))
    assert len({one.manifest for one in pinned if isinstance(one, Pinned)}) == 50
    assert store.read[blob_key(model.sha256)] == 1


async def test_what_was_just_found_as_promised_is_not_asked_for_again(store: Watched) -> None:
    model = kept(store, b"right")

    with pinning(store) as artifacts:
        pinned = await artifacts.pin(Artifact(files=(model,)))
        assert isinstance(pinned, Pinned)
        assert await Presence(artifacts.artifacts).problems(pinned.manifest, pinned.files) == []
        put(store, blob_key(model.sha256), b"gone!")
        assert isinstance(await artifacts.pin(Artifact(files=(model,))), Pinned)
        assert await Presence(artifacts.artifacts).problems(pinned.manifest, pinned.files) == []


async def test_an_artifact_that_was_just_pinned_is_known_until_it_is_no_longer_fresh(store: Watched) -> None:
    artifact = Artifact(files=(kept(store, b"right"),))
    larger = Artifact(files=(artifact.files[0].model_copy(update={"size": 6}),))

    with pinning(store) as artifacts, pinning(store, seen_seconds=0) as forgetful:
        assert artifacts.known(artifact) is None
        pinned = await artifacts.pin(artifact)
        assert artifacts.known(artifact) == pinned
        assert artifacts.known(larger) is None
        assert await forgetful.pin(artifact) == pinned
        assert forgetful.known(artifact) is None


async def test_bytes_that_were_replaced_are_read_again(store: Watched) -> None:
    model = kept(store, b"right")

    with pinning(store, seen_seconds=0) as artifacts:
        assert isinstance(await artifacts.pin(Artifact(files=(model,))), Pinned)
        put(store, blob_key(model.sha256), b"wrong")
        refused = await artifacts.pin(Artifact(files=(model,)))
    assert isinstance(refused, Unpinnable)
    assert refused.reasons == ("digest differs",)


async def test_many_files_are_pinned_together(store: Watched) -> None:
    files = [kept(store, b"%d" % number, f"part/{number:03}") for number in range(200)]
    assert (await pin(store, *files)).files == tuple(files)


async def test_no_files_are_refused(store: Watched) -> None:
    assert await refusal(store) == Unpinnable(
        ("no files",), "expected at least one file, found none: upload what training wrote"
    )


async def test_a_missing_object_is_refused(store: Watched) -> None:
    assert await refusal(store, missing := file(b"never uploaded")) == Unpinnable(
        ("missing object",),
        f"expected 'model.bin' at {blob_key(missing.sha256)}, found no object there: upload it, then send it again",
    )


async def test_another_size_is_refused(store: Watched) -> None:
    model = kept(store, b"bytes").model_copy(update={"size": 6})
    assert await refusal(store, model) == Unpinnable(
        ("size differs",),
        f"expected 'model.bin' with 6 bytes, found 5 at {blob_key(model.sha256)}: upload it again",
    )


async def test_another_digest_is_refused(store: Watched) -> None:
    put(store, blob_key(file(b"right").sha256), b"wrong")
    assert await refusal(store, file(b"right")) == Unpinnable(
        ("digest differs",),
        f"expected 'model.bin' with sha256 {file(b'right').sha256}, found bytes with {file(b'wrong').sha256} "
        "in its place: upload it again",
    )


@pytest.mark.parametrize("path", ["../model", "/model", "", "a\x00b"])
async def test_an_unsafe_path_is_refused(store: Watched, path: str) -> None:
    refused = await refusal(store, kept(store, b"bytes", path))
    assert refused.reasons == ("unsafe path",)
    assert refused.sentence.isprintable()


async def test_a_repeated_path_is_refused(store: Watched) -> None:
    assert (await refusal(store, kept(store, b"one"), kept(store, b"two"))).reasons == ("repeated path",)


async def test_all_that_is_wrong_is_told_up_to_ten(store: Watched) -> None:
    wrong = [kept(store, b"bytes", "../x"), *(file(b"%d" % number, f"{number}") for number in range(14))]
    refused = await refusal(store, *wrong)
    assert refused.reasons == ("unsafe path", "missing object")
    assert refused.sentence.count("expected") == 10
    assert refused.sentence.endswith("; and 5 more")
    assert not any(key.startswith("manifests/") for key in keys(store))


@pytest.mark.parametrize("count", [1, 3, 1100])
async def test_a_foreign_folder_is_copied_in(store: Watched, foreign: Watched, count: int) -> None:
    contents = {f"deep/{number:04}.bin": b"%d" % number for number in range(count)}
    for path, content in contents.items():
        put(foreign, f"runs/a b+?#ü/{path}", content)
    put(foreign, "runs/a b+?#ü2/other", b"not of this model")
    pinned = await pin(store, uri=f"s3://{foreign.bucket}/runs/a b+?#ü")
    assert pinned.files == tuple(file(content, path) for path, content in contents.items())
    assert pinned.heads == contents
    assert keys(store) == {blob_key(one.sha256) for one in pinned.files} | {manifest_key(pinned.manifest)}
    assert await pin(store, uri=f"s3://{foreign.bucket}/runs/a b+?#ü/") == pinned


async def test_a_foreign_object_keeps_its_name(store: Watched, foreign: Watched) -> None:
    put(foreign, "runs/7/model.pkl", b"bytes")
    assert (await pin(store, uri=f"s3://{foreign.bucket}/runs/7/model.pkl")).files == (file(b"bytes", "model.pkl"),)


async def test_a_large_foreign_object_is_copied_in(store: Watched, foreign: Watched, tmp_path: Path) -> None:
    content = os.urandom(20 * 1024 * 1024 + 1)
    put(foreign, "run/large", content)
    pinned = await pin(store, uri=f"s3://{foreign.bucket}/run")
    store.download(pinned.manifest, tmp_path)
    assert below(tmp_path) == {"large": content}


async def test_bytes_that_are_here_already_are_not_copied(store: Watched, foreign: Watched) -> None:
    model = kept(store, b"bytes", "model")
    put(foreign, "run/model", b"bytes")
    assert (await pin(store, uri=f"s3://{foreign.bucket}/run")).files == (model,)
    assert store.sent[blob_key(model.sha256)] == 1


async def test_a_folder_of_our_own_bucket_is_copied_in(store: Watched) -> None:
    put(store, "inbox/model", b"bytes")
    assert (await pin(store, uri=f"s3://{store.bucket}/inbox")).files == (file(b"bytes", "model"),)


async def test_our_own_manifest_names_its_files(store: Watched) -> None:
    pinned = await pin(store, kept(store, b"bytes"))
    assert await pin(store, uri=pinned.uri) == pinned


async def test_a_manifest_that_we_do_not_have_is_a_missing_object(store: Watched) -> None:
    assert (await refusal(store, uri=store.uri(manifest([file(b"")])[0]))).reasons == ("missing object",)


@pytest.mark.parametrize("key", ["nothing", "nothing/", "run/mod"])
async def test_a_foreign_folder_without_objects_has_no_files(store: Watched, foreign: Watched, key: str) -> None:
    put(foreign, "run/model", b"bytes")
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/{key}")
    assert refused.reasons == ("no files",)
    assert refused.sentence == f"expected files below 's3://{foreign.bucket}/{key}', found none: upload them first"


@pytest.mark.parametrize(
    "uri",
    ["s3://no-such-bucket/run", "s3://_/run", "s3://x", "s3://", "gs://bucket/run", "/data/run", "s3://b/\x00/.."],
)
async def test_an_address_that_cannot_be_read_is_refused(store: Watched, uri: str) -> None:
    refused = await refusal(store, uri=uri)
    assert refused.reasons == ("foreign prefix unreadable",)
    assert refused.sentence.isprintable()


async def test_all_of_our_own_bucket_is_no_model(store: Watched) -> None:
    assert (await refusal(store, uri=f"s3://{store.bucket}")).reasons == ("foreign prefix unreadable",)


async def test_a_foreign_path_that_is_unsafe_is_refused(store: Watched, foreign: Watched) -> None:
    put(foreign, "run/a\\b", b"bytes")
    assert (await refusal(store, uri=f"s3://{foreign.bucket}/run")).reasons == ("unsafe path",)


async def test_a_foreign_folder_too_large_for_a_message_is_refused(
    store: Watched, foreign: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingestion.foreign.MAX_MANIFEST_BYTES", 300)
    for number in range(3):
        put(foreign, f"run/{number}", b"bytes")
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/run")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "found more than 2, which do not fit into a message" in refused.sentence


@pytest.mark.parametrize("key", ["x" * 5000, "x" * 1024 * 1024, "ü" * 513, "/" * 1025, "a/" * 513])
@pytest.mark.parametrize("bucket", ["another", None])
async def test_a_key_longer_than_s3_takes_is_refused_unasked(
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
async def test_what_modelog_stores_is_no_folder_to_copy(store: Watched, key: str) -> None:
    kept(store, b"of another model")
    refused = await refusal(store, uri=f"s3://{store.bucket}/{key}")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "name one manifest, or files" in refused.sentence


async def test_our_own_manifest_too_large_for_a_message_is_refused(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = await pin(store, *(kept(store, b"%d" % number, f"{number}") for number in range(3)))
    monkeypatch.setattr("services.ingestion.foreign.MAX_MANIFEST_BYTES", 300)
    refused = await refusal(store, uri=pinned.uri)
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "found 3, which do not fit into a message" in refused.sentence


async def test_only_the_buckets_that_are_named_are_read(store: Watched, foreign: Watched) -> None:
    put(foreign, "run/model", b"bytes")
    put(store, "inbox/model", b"bytes")
    there, here = f"s3://{foreign.bucket}/run", f"s3://{store.bucket}/inbox"
    refused = await refusal(store, uri=there, readable=["another"])
    assert refused.reasons == ("foreign prefix unreadable",)
    assert f"that MODELOG_FOREIGN_BUCKETS names, found '{foreign.bucket}'" in refused.sentence
    assert await pin(store, uri=there, readable=[foreign.bucket]) == await pin(store, uri=here, readable=[])


async def test_a_foreign_object_that_fits_on_no_disk_of_ours_is_refused(
    store: Watched, foreign: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(SpooledTemporaryFile[bytes]):
        def rollover(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("services.ingestion.foreign.SpooledTemporaryFile", Full)
    put(foreign, "run/large", b"x" * (9 * 1024 * 1024))
    refused = await refusal(store, uri=f"s3://{foreign.bucket}/run")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "found no room on our disk for its 9437184 bytes: upload it with the SDK" in refused.sentence


@contextmanager
def answering(status: int, code: str, ours: int = 200) -> Iterator[str]:
    """The endpoint of a store that answers so for all buckets but `ours`, for which it has an answer of its own."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(status, f"<Error><Code>{code}</Code></Error>".encode() if code else b"")

        def do_HEAD(self) -> None:
            self.answer(ours if self.path.startswith("/ours") else status)

        def answer(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml" if content else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidArgument"),
        (400, "InvalidURI"),
        (400, "KeyTooLongError"),
        (400, "XMinioInvalidObjectName"),
        (400, ""),
        (403, "SignatureDoesNotMatch"),
        (405, "MethodNotAllowed"),
        (410, ""),
        (414, ""),
        (431, ""),
        (501, "NotImplemented"),
    ],
)
@pytest.mark.parametrize("bucket", ["another", "ours"])
async def test_an_address_that_the_store_finds_wrong_is_refused(
    addresses: Mapping[str, str], status: int, code: str, bucket: str
) -> None:
    with answering(status, code) as endpoint:
        refused = await refusal(opened_store(addresses, "ours", ENDPOINT=endpoint), uri=f"s3://{bucket}/run")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert (code or f"status {status}") in refused.sentence


@pytest.mark.parametrize(
    ("status", "code"), [(408, "RequestTimeout"), (429, "TooManyRequests"), (429, ""), (503, "SlowDown")]
)
async def test_an_answer_that_time_may_mend_is_raised(addresses: Mapping[str, str], status: int, code: str) -> None:
    with answering(status, code) as endpoint, pytest.raises(Unavailable):
        await pin(opened_store(addresses, "ours", ENDPOINT=endpoint), uri="s3://another/run")


@pytest.mark.parametrize("ours", [403, 404])
async def test_a_store_that_answers_none_of_our_requests_is_raised(addresses: Mapping[str, str], ours: int) -> None:
    with answering(403, "AccessDenied", ours) as endpoint, pytest.raises(Unavailable):
        await pin(opened_store(addresses, "ours", ENDPOINT=endpoint), uri="s3://another/run")


async def test_a_store_that_is_down_is_raised(addresses: Mapping[str, str]) -> None:
    down = opened_store(addresses, ENDPOINT="http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="expected the store at http"):
        await pin(down, file(b"bytes"))
    with pytest.raises(Unavailable, match="expected the store at http"):
        await pin(down, uri="s3://bucket/run")


async def test_a_bucket_of_ours_that_is_not_there_is_raised(addresses: Mapping[str, str]) -> None:
    with pytest.raises(Unavailable, match="found NoSuchBucket"):
        await pin(opened_store(addresses), file(b"bytes"))


async def test_keys_that_are_not_ours_are_raised(addresses: Mapping[str, str], store: Watched) -> None:
    stranger = opened_store(addresses, bucket=store.bucket, SECRET_KEY="wrong-secret-key")
    with pytest.raises(Unavailable, match="check its address, the bucket"):
        await pin(stranger, file(b"bytes"))
    with pytest.raises(Unavailable, match="check its address, the bucket"):
        await pin(stranger, uri="s3://another/run")


async def test_a_bucket_is_made_once(store: Watched) -> None:
    with pinning(store) as opened:
        await asyncio.gather(opened.artifacts.make_bucket(), opened.artifacts.make_bucket())
    assert store.client.bucket_exists(store.bucket)


async def test_a_pinned_artifact_has_no_faults(store: Watched) -> None:
    pinned = await pin(store, kept(store, b"one", "a"), kept(store, b"two", "b"))
    assert await faults(store, pinned.manifest, *pinned.files) == []


async def test_what_is_gone_is_a_fault(store: Watched) -> None:
    pinned = await pin(store, a := kept(store, b"one", "a"), b := kept(store, b"two", "b"))
    store.client.remove_object(store.bucket, blob_key(a.sha256))
    put(store, blob_key(b.sha256), b"longer")
    store.client.remove_object(store.bucket, manifest_key(pinned.manifest))
    assert await faults(store, pinned.manifest, *pinned.files) == [
        f"expected a manifest at {pinned.uri}, found none: register the bytes again",
        f"expected 'a' at {blob_key(a.sha256)}, found no object there: upload the bytes again",
        f"expected 'b' with 3 bytes at {blob_key(b.sha256)}, found 6: upload the bytes again",
    ]


async def test_a_manifest_of_other_files_is_a_fault(store: Watched) -> None:
    pinned = await pin(store, a := kept(store, b"one", "a"), kept(store, b"two", "b"))
    assert await faults(store, pinned.manifest, a) == [
        f"expected files whose manifest is {pinned.manifest}, found files of {manifest([a])[0]}: "
        "register the version again"
    ]


async def test_a_manifest_with_other_bytes_is_a_fault(store: Watched) -> None:
    pinned = await pin(store, kept(store, b"bytes"))
    put(store, manifest_key(pinned.manifest), b"{}")
    (fault,) = await faults(store, pinned.manifest, *pinned.files)
    assert fault.startswith(f"expected a manifest with the digest {pinned.manifest}, found sha256:")


async def test_faults_of_a_store_that_is_down_are_raised(addresses: Mapping[str, str]) -> None:
    with pytest.raises(Unavailable):
        await faults(opened_store(addresses, ENDPOINT="http://127.0.0.1:1"), manifest([])[0])
