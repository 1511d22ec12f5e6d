"""Whether the store can be used, as the services that need it report it."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from shared.artifacts import readiness
from shared.artifacts.presence import Presence
from shared.artifacts.store import ArtifactStore
from tests.integration.artifacts import CountingStore, opened_store, pinning


async def problem(store: CountingStore) -> str | None:
    with pinning(store) as opened:
        return await opened.problem()


@contextmanager
def silent() -> Iterator[str]:
    """The endpoint of a store that accepts connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_a_store_that_answers_is_no_problem(store: CountingStore) -> None:
    assert await problem(store) is None


async def test_a_store_that_refuses_our_key_is_a_problem(addresses: Mapping[str, str], store: CountingStore) -> None:
    found = await problem(opened_store(addresses, bucket=store.bucket, SECRET_KEY="wrong-secret-key"))
    assert found is not None
    assert "refuses our key" in found


async def test_a_bucket_that_is_missing_is_a_problem(addresses: Mapping[str, str]) -> None:
    missing = opened_store(addresses)
    found = await problem(missing)
    assert found is not None
    assert f"has no bucket {missing.bucket}" in found


async def test_a_store_that_is_down_is_a_problem(addresses: Mapping[str, str]) -> None:
    found = await problem(opened_store(addresses, ENDPOINT="http://127.0.0.1:1"))
    assert found is not None
    assert "does not answer" in found


async def test_a_store_that_is_silent_is_a_problem_for_all_who_ask(
    addresses: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 0.05)
    with silent() as endpoint, pinning(opened_store(addresses, ENDPOINT=endpoint)) as opened:
        for found in await asyncio.gather(opened.problem(), Presence(opened.artifacts).problem()):
            assert found is not None
            assert "has not answered" in found


async def test_the_store_is_asked_once_in_some_seconds(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def exists(name: str) -> bool:
        asked.append(name)
        return len(asked) == 1

    monkeypatch.setattr(store.client, "bucket_exists", exists)
    artifacts = ArtifactStore(store)
    assert await asyncio.gather(*(artifacts.problem() for _ in range(5))) == [None] * 5
    assert asked == [store.bucket]
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0)
    assert "has no bucket" in (await artifacts.problem() or "")
    artifacts.close()
