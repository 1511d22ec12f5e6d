"""The whole loop with an S3 in another region, temporary keys and TLS: on MinIO's server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import AssumeRoleProvider
from modelog import Registry
from modelog.store import Store, Unavailable

from stack import Servers
from stack.account import temporary_folder
from stack.minio import Minio, program
from stack.servers import erase
from stack.waiting import wait_until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import Honest, honest

pytestmark = [
    pytest.mark.minio,
    pytest.mark.skipif(not program().exists(), reason="MinIO's server is not built: run `make test-minio`"),
]

REGION = "eu-central-1"
SESSION_SECONDS = 900


@pytest.fixture(scope="module")
def minio() -> Iterator[Minio]:
    folder = temporary_folder()
    minio = Minio(folder / "minio", erase=True, region=REGION)
    try:
        minio.start()
        yield minio
    finally:
        minio.kill()
        erase(folder)


@pytest.fixture(scope="module")
def keys(minio: Minio) -> Credentials:
    """Temporary keys with their session token, as STS gives them."""
    trusting = urllib3.PoolManager(ssl_context=ssl.create_default_context(cafile=minio.authority))
    role = AssumeRoleProvider(
        sts_endpoint=minio.endpoint,
        access_key=minio.keys[0],
        secret_key=minio.keys[1],
        duration_seconds=SESSION_SECONDS,
        region=REGION,
        http_client=trusting,
    )
    # It answers as ready a moment before it knows users.
    return wait_until(role.retrieve, "temporary keys", not_yet=ValueError)


@pytest.fixture(scope="module")
async def cluster(
    servers: Servers, minio: Minio, keys: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    addresses = replace(
        servers.addresses,
        s3_endpoint=minio.endpoint,
        s3_access_key=keys.access_key,
        s3_secret_key=keys.secret_key,
    )
    async with new_cluster(
        addresses,
        tmp_path_factory.mktemp("minio"),
        MODELOG_S3_REGION=REGION,
        MODELOG_S3_SESSION_TOKEN=str(keys.session_token),
        MODELOG_S3_CA_FILE=str(minio.authority),
    ) as cluster:
        cluster.start("all")
        await cluster.ready("all")
        yield cluster


@pytest.fixture
def environment(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables of a pipeline."""
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
async def pipeline(cluster: Cluster, tmp_path: Path, environment: pytest.MonkeyPatch) -> AsyncIterator[Honest]:
    async with honest(cluster, tmp_path, Registry(source="/pipelines")) as pipeline:
        yield pipeline


async def test_a_run_whose_files_are_in_another_region_is_promoted_and_downloaded(
    pipeline: Honest, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "model.pkl").write_bytes(b"\x80\x04N.")
    (files / "notes.txt").write_text("trained in Frankfurt")
    await pipeline.registry.trained("fraud", run="run-1", files=files, metrics={"f1": 0.9})
    await pipeline.answered("fraud")
    (_, registered), *_ = await pipeline.facts("fraud")
    await pipeline.registry.download(registered["manifest"], tmp_path / "copy")
    assert (tmp_path / "copy" / "notes.txt").read_text() == "trained in Frankfurt"


async def test_a_file_of_many_parts_is_uploaded_and_promoted(pipeline: Honest, tmp_path: Path) -> None:
    file = tmp_path / "large.pkl"
    file.write_bytes(b"\x80\x04N." + bytes(32 * 1024 * 1024))
    await pipeline.registry.trained("large", run="run-1", files=file, metrics={"f1": 0.9})
    await pipeline.answered("large")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MODELOG_S3_SESSION_TOKEN", "of-yesterday", "keys"),
        ("MODELOG_S3_SECRET_KEY", "wrong-secret", "keys"),
        ("MODELOG_S3_REGION", "us-west-2", REGION),
        ("MODELOG_S3_CA_FILE", "", "certificate"),
    ],
)
async def test_a_wrong_setting_is_an_error_that_names_what_to_check(
    environment: pytest.MonkeyPatch, name: str, value: str, words: str, tmp_path: Path
) -> None:
    environment.setenv(name, value)
    file = tmp_path / "model.pkl"
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(Unavailable, match=words) as error:
        await asyncio.to_thread(Store.from_env().upload, file)
    assert not value or value not in str(error.value)
