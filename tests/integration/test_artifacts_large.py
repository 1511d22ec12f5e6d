"""No small artifact waits for a large one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import ClassVar

import pytest
from modelog.manifest import blob_key
from modelog.values import Artifact
from urllib3 import BaseHTTPResponse

from services.ingestion.pinned import Pinned
from services.ingestion.pinning import Pinning
from shared.artifacts import store as limits
from shared.artifacts.presence import Presence
from shared.artifacts.store import THREADS
from tests.integration.artifacts import CountingStore, file, kept, pinning, put

MAX_TEST_SECONDS = 30.0
"""A test that waits longer has failed."""


@asynccontextmanager
async def held(store: CountingStore, keys: set[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """Reads of these keys wait until the block ends; yields those that wait."""
    released, waiting, reading = threading.Event(), list[str](), store.reading

    @contextmanager
    def reading_later(key: str, bucket: str | None = None) -> Iterator[BaseHTTPResponse]:
        if key in keys:
            waiting.append(key)
            released.wait()
        with reading(key, bucket) as response:
            yield response

    monkeypatch.setattr(store, "reading", reading_later)
    try:
        async with asyncio.timeout(MAX_TEST_SECONDS):
            yield waiting
    finally:
        released.set()


@pytest.fixture(params=["LARGE_BYTES", "LARGE_FILES"])
def large(request: pytest.FixtureRequest, store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> list[Artifact]:
    """More artifacts than there are threads, large by their bytes or by their number of files."""
    monkeypatch.setattr(limits, "LARGE_BYTES", 100 if request.param == "LARGE_BYTES" else 10**9)
    monkeypatch.setattr(limits, "LARGE_FILES", 2 if request.param == "LARGE_FILES" else 10**9)
    contents = [[b"%d/%d" % (number, part) + b"x" * 100 for part in range(3)] for number in range(THREADS)]
    return [
        Artifact(files=tuple(kept(store, content, str(part)) for part, content in enumerate(parts)))
        for parts in contents
    ]


async def pin_small(opened: Pinning, small: Artifact) -> None:
    pinned = await opened.pin(small)
    assert isinstance(pinned, Pinned)
    assert not (await Presence(opened.artifacts).look(pinned.manifest, pinned.files)).problems


async def test_a_small_artifact_is_pinned_and_checked_while_many_large_ones_are_read(
    store: CountingStore, large: list[Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Artifact(files=(kept(store, b"twelve bytes"),))
    keys = {blob_key(file.sha256) for artifact in large for file in artifact.files}
    with pinning(store) as opened:
        async with held(store, keys, monkeypatch) as waiting:
            reading = [asyncio.create_task(opened.pin(artifact)) for artifact in large]
            await pin_small(opened, small)
            assert len(waiting) <= limits.LARGE_THREADS
        assert all(isinstance(found, Pinned) for found in await asyncio.gather(*reading))


async def test_bytes_that_nobody_waits_for_are_read_no_further(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    class Endless:
        headers: ClassVar = {"Content-Length": "12"}

        def stream(self, *_: object, **__: object) -> Iterator[bytes]:
            try:
                while True:
                    yield b"more"
                    begun.set()
            finally:
                ended.set()

    monkeypatch.setattr(store, "reading", lambda *_: nullcontext(Endless()))
    with pinning(store) as opened:
        reading = asyncio.create_task(opened.pin(Artifact(files=(file(b"twelve bytes"),))))
        assert await asyncio.to_thread(begun.wait, MAX_TEST_SECONDS)
        reading.cancel()
        assert await asyncio.to_thread(ended.wait, MAX_TEST_SECONDS)


async def test_a_small_foreign_object_is_copied_while_many_large_ones_are_copied(
    store: CountingStore, foreign: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LARGE_BYTES", 100)
    keys = [f"large-{number}/model" for number in range(THREADS)]
    for number, key in enumerate(keys):
        put(foreign, key, b"%d" % number + b"x" * 100)
    put(foreign, "small/model", b"twelve bytes")
    with pinning(store) as opened:
        async with held(store, set(keys), monkeypatch):
            folders = [Artifact(uri=f"s3://{foreign.bucket}/{key.partition('/')[0]}") for key in keys]
            copying = [asyncio.create_task(opened.pin(folder)) for folder in folders]
            small = await opened.pin(Artifact(uri=f"s3://{foreign.bucket}/small"))
        assert isinstance(small, Pinned)
        assert small.files == (file(b"twelve bytes", "model"),)
        assert all(isinstance(found, Pinned) for found in await asyncio.gather(*copying))
