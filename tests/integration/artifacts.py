"""Stores that count, and the short names of the artifact tests."""

import hashlib
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from modelog.manifest import blob_key
from modelog.store import Store
from modelog.values import Artifact, File
from urllib3 import BaseHTTPResponse

from services.ingestion.pinned import Pinned, Unpinnable
from services.ingestion.pinning import Pinning
from shared.artifacts.presence import Presence
from shared.artifacts.store import ArtifactStore
from shared.domain.looking import BytesSeen


class CountingStore(Store):
    """A store that counts how often each key was read and put."""

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


def opened_store(addresses: Mapping[str, str], bucket: str | None = None, **instead: str) -> CountingStore:
    given = {**addresses, **{f"MODELOG_S3_{name}": value for name, value in instead.items()}}
    names = [f"MODELOG_S3_{name}" for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY")]
    return CountingStore(*(given[name] for name in names), bucket or f"t-{uuid4().hex}")


@contextmanager
def pinning(store: Store, foreign: Collection[str] | None = None, seen_seconds: float = 30.0) -> Iterator[Pinning]:
    """Pinning as ingestion does it."""
    artifacts = ArtifactStore(store, seen_seconds)
    try:
        yield Pinning(artifacts, foreign)
    finally:
        artifacts.close()


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


async def problems(store: Store, digest: str, *files: File) -> list[str]:
    with pinning(store) as opened:
        return sentences(await Presence(opened.artifacts).look(digest, files))


def sentences(seen: BytesSeen) -> list[str]:
    return [problem.sentence for problem in seen.problems]


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
