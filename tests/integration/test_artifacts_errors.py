"""Stores that reject a request, and stores that do not answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from modelog.manifest import blob_key
from modelog.store import Denied, Unavailable

from tests.integration.artifacts import CountingStore, file, opened_store, pin, refusal


@contextmanager
def answering(status: int, code: str, ours: int = 200, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """The endpoint of a store with this answer for every bucket; a HEAD in the bucket `ours` gets the status `ours`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(status, f"<Error><Code>{code}</Code></Error>".encode() if code else b"")

        def do_HEAD(self) -> None:
            self.answer(ours if self.path.startswith("/ours") else status)

        def answer(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml" if content else "text/html")
            self.send_header("Content-Length", str(len(content)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
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
async def test_an_address_that_the_store_rejects_is_refused(
    addresses: Mapping[str, str], status: int, code: str, bucket: str
) -> None:
    with answering(status, code) as endpoint:
        refused = await refusal(opened_store(addresses, "ours", ENDPOINT=endpoint), uri=f"s3://{bucket}/run")
    assert refused.reasons == ("foreign prefix unreadable",)
    assert (code or f"status {status}") in refused.sentence


@pytest.mark.parametrize(
    ("status", "code"), [(408, "RequestTimeout"), (429, "TooManyRequests"), (429, ""), (503, "SlowDown")]
)
async def test_a_transient_answer_is_raised(addresses: Mapping[str, str], status: int, code: str) -> None:
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


async def test_keys_that_are_not_ours_are_raised(addresses: Mapping[str, str], store: CountingStore) -> None:
    stranger = opened_store(addresses, bucket=store.bucket, SECRET_KEY="wrong-secret-key")
    with pytest.raises(Unavailable, match="check its address, the bucket"):
        await pin(stranger, file(b"bytes"))
    with pytest.raises(Unavailable, match="check its address, the bucket"):
        await pin(stranger, uri="s3://another/run")


@pytest.mark.parametrize(("status", "code"), [(403, "InvalidObjectState"), (403, "AccessDenied"), (405, "")])
async def test_an_object_of_ours_that_cannot_be_read_is_refused_and_not_tried_for_ever(
    addresses: Mapping[str, str], status: int, code: str
) -> None:
    with answering(status, code) as endpoint:
        refused = await refusal(opened_store(addresses, "ours", ENDPOINT=endpoint), model := file(b"bytes"))
    assert refused.reasons == ("missing object",)
    assert f"expected to read '{model.path}'" in refused.sentence
    assert (code or f"status {status}") in refused.sentence


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (403, "InvalidAccessKeyId", 200),
        (403, "RequestTimeTooSkewed", 200),
        (400, "ExpiredToken", 200),
        (400, "RequestTimeout", 200),
        (409, "OperationAborted", 200),
        (403, "AccessDenied", 403),
        (403, "SignatureDoesNotMatch", 403),
        (404, "NoSuchBucket", 404),
    ],
)
async def test_an_answer_about_our_keys_our_clock_or_our_bucket_is_raised(
    addresses: Mapping[str, str], status: int, code: str, ours: int
) -> None:
    with answering(status, code, ours) as endpoint:
        store = opened_store(addresses, "ours", ENDPOINT=endpoint)
        with pytest.raises(Unavailable) as raised:
            await pin(store, file(b"bytes"))
    assert (raised.value.code, raised.value.status) == (code, status)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-storage-class": "GLACIER"},
        {"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": 'ongoing-request="true"'},
    ],
)
def test_an_archived_object_is_denied_although_it_has_a_size(
    addresses: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    with answering(200, "", headers=headers) as endpoint:
        with pytest.raises(Denied, match="found it archived") as raised:
            opened_store(addresses, "ours", ENDPOINT=endpoint).head(blob_key("0" * 64))
        assert (raised.value.code, raised.value.status) == ("InvalidObjectState", 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="false", expiry-date="later"'},
        {"x-amz-storage-class": "STANDARD_IA"},
        {"x-amz-storage-class": "GLACIER_IR"},
    ],
)
def test_an_object_that_was_restored_or_is_only_seldom_read_has_a_size(
    addresses: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    with answering(200, "", headers=headers) as endpoint:
        assert opened_store(addresses, "ours", ENDPOINT=endpoint).head(blob_key("0" * 64)) == (0, "")
