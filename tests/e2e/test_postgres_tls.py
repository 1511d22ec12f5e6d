"""Postgres by TLS with `verify-full`: setup, services and operations, and what is wrong with a certificate."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from stack import Addresses, Servers
from stack.certificates import Certificates, kept_certificates
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import Honest
from tests.e2e.tls_proxy import tls_proxy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return kept_certificates(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def behind_tls(servers: Servers, certificate: Path, options: str) -> AsyncIterator[Addresses]:
    """The same servers, with every login of Postgres by TLS."""
    addresses = servers.addresses
    plain = urlsplit(addresses.postgres)
    async with tls_proxy(str(plain.hostname), int(plain.port or 0), certificate) as port:

        def moved(url: str) -> str:
            return url and url.replace(f":{plain.port}/", f":{port}/") + f"?{options}"

        yield addresses.with_logins({key: moved(url) for key, url in addresses.logins.items()})


@pytest.fixture(scope="module")
async def cluster(
    servers: Servers, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    options = f"sslmode=verify-full&sslrootcert={certificates.authority}"
    async with (
        behind_tls(servers, certificates.server, options) as addresses,
        new_cluster(addresses, tmp_path_factory.mktemp("tls"), set_up=False) as cluster,
    ):
        done = await operations(cluster.env, "setup")
        assert done.returncode == 0, done.stderr
        cluster.start("all")
        await cluster.ready("all")
        yield cluster


async def test_a_run_is_promoted(pipeline: Honest) -> None:
    await pipeline.promoted("fraud")


async def test_an_operation_reads_the_log(cluster: Cluster, pipeline: Honest) -> None:
    await pipeline.promoted("answered")
    done = await operations(cluster.env, "message", "/pipelines", "answered/run-1")
    assert "model.registered" in done.stdout, done.stderr


async def test_a_statement_is_cancelled_by_tls_too(cluster: Cluster) -> None:
    log = await cluster.log()
    try:
        with pytest.raises(TimeoutError):
            await log.fetchval("select pg_sleep(600)", timeout=0.2)
        assert await log.fetchval("select 1", timeout=30) == 1
    finally:
        await log.close()


@pytest.mark.parametrize(
    ("options", "names", "words"),
    [
        ("sslmode=verify-full&sslrootcert={other}", ["127.0.0.1"], "certificate"),
        ("sslmode=verify-full&sslrootcert={ca}", ["postgres.example.com"], "certificate"),
        ("sslmode=verify-full&sslrootcert=/nothing.pem", ["127.0.0.1"], "sslrootcert"),
        ("sslmode=disable", ["127.0.0.1"], "no encryption"),
    ],
    ids=["an unknown authority", "another name", "no file", "no TLS"],
)
async def test_what_is_wrong_is_a_sentence(
    servers: Servers, options: str, names: list[str], words: str, tmp_path: Path
) -> None:
    certificates, other = kept_certificates(tmp_path / "tls", names), kept_certificates(tmp_path / "other")
    options = options.format(ca=certificates.authority, other=other.authority)
    async with behind_tls(servers, certificates.server, options) as addresses:
        only = addresses.with_logins({"postgres": addresses.owner, "postgres_owner": "", "postgres_reader": ""})
        ended = await operations(only.env, "message", "/pipelines", "1")
    assert ended.returncode in (1, 2)
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert words in ended.stderr
    assert str(urlsplit(addresses.owner).password) not in ended.stderr


async def test_a_certificate_of_another_name_is_good_enough_for_verify_ca(servers: Servers, tmp_path: Path) -> None:
    certificates = kept_certificates(tmp_path, ["postgres.example.com"])
    options = f"sslmode=verify-ca&sslrootcert={certificates.authority}"
    async with behind_tls(servers, certificates.server, options) as addresses:
        connection = await asyncpg.connect(addresses.owner)
        assert await connection.fetchval("select 1") == 1
        await connection.close()


async def operations(env: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of operations, while this process goes on as the proxy."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MODELOG_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "operations", *command],
        env=own | dict(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
