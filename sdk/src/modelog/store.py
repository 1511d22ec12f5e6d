"""The bytes of a model in S3: blobs under the sha256 of their bytes, and a manifest that lists them.

    store = Store.from_env()
    artifact = store.upload("model/")                        # goes into model.trained
    store.download(promoted.event.manifest, Path("served"))  # comes from model.promoted

Needs `pip install 'modelog[s3]'`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from modelog import environment
from modelog._s3.digests import CHUNK_BYTES, etag, part_bytes
from modelog._s3.downloading import download
from modelog._s3.errors import (
    ARCHIVED,
    FORBIDDEN,
    Absent,
    Damaged,
    Denied,
    Unavailable,
    code_and_status,
    denied,
    is_archived,
    is_lasting,
)
from modelog._s3.uploading import upload
from modelog.manifest import MAX_MANIFEST_BYTES, Manifest, manifest_key
from modelog.paths import registered_path_problems
from modelog.s3_settings import DEFAULT_BUCKET, Addressing, S3Settings
from modelog.untrusted import problems
from modelog.values import Artifact, File

if TYPE_CHECKING:
    from minio import Minio
    from urllib3 import BaseHTTPResponse

__all__ = ["CHUNK_BYTES", "MAX_CONNECTIONS", "Absent", "Damaged", "Denied", "Store", "Unavailable"]

MAX_READ_BYTES = 16 * CHUNK_BYTES
"""The most bytes of a manifest that is read; that of a new version has at most 1 MiB."""
MAX_CONNECTIONS = 32
"""Connections to the store that stay open for the next request."""


class Store:
    """A bucket. Safe to use from several threads; nothing is sent before the first call."""

    def __init__(
        self,
        endpoint: str,
        access_key: str = "",
        secret_key: str = "",
        bucket: str = DEFAULT_BUCKET,
        *,
        region: str | None = None,
        session_token: str | None = None,
        addressing: Addressing = "auto",
        ca_file: str | None = None,
        public_endpoint: str | None = None,
    ) -> None:
        """See `modelog.s3_settings.S3Settings`; raise ValueError, and ImportError if the S3 client is not installed."""
        settings = S3Settings(
            endpoint, access_key, secret_key, bucket, region, session_token, addressing, ca_file, public_endpoint
        )
        self.endpoint, self.bucket, self.public_endpoint = settings.endpoint, bucket, public_endpoint
        self._new_client = partial(settings.client, MAX_CONNECTIONS)
        self._clients = {os.getpid(): self._new_client()}

    @property
    def client(self) -> Minio:
        """The client of this process: in a forked process, the connections are the parent's."""
        process = os.getpid()
        return self._clients.get(process) or self._clients.setdefault(process, self._new_client())

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> Store:
        """The store of the MODELOG_S3_… variables, of these or of this process; LookupError without an address."""
        settings = S3Settings.from_variables(environment.variables() if variables is None else variables)
        return cls(**asdict(settings))

    def uri(self, manifest: str) -> str:
        """The address of a manifest, `s3://bucket/manifests/sha256/<hex>`."""
        return f"s3://{self.bucket}/{manifest_key(manifest)}"

    def upload(
        self,
        paths: Path | str | Mapping[str, Path | str],
        *,
        follow_links: bool = False,
        max_listed_bytes: int = MAX_MANIFEST_BYTES,
    ) -> Artifact:
        """Put a file, a folder or `{path inside: local path}` into the store; bytes that are there are not sent again.

        A link inside of a folder is followed if it leads to a file in the folder; with `follow_links` to any file or
        folder, as in the caches of Hugging Face. What a version does not keep (links, empty folders, executable bits)
        is logged in a line to the logger `modelog`.

        Raise ValueError, mostly before the first byte is sent, if there is nothing to upload, a path is empty, some
        system cannot hold a name or takes two for the same, a file is a pipe or changes meanwhile, the paths and
        digests are more than a report can name (`max_listed_bytes` of JSON), or the files are above 1 TiB; Unavailable
        if the store fails.
        """
        return upload(self, paths, follow_links, max_listed_bytes)

    def files(self, manifest: str) -> tuple[File, ...]:
        """The files of a manifest; raise Damaged if its bytes have another digest, Absent if there is none."""
        with self.reading(manifest_key(manifest)) as response:
            content = response.read(MAX_READ_BYTES + 1, decode_content=False)
        found = "sha256:" + hashlib.sha256(content).hexdigest()
        if found != manifest:
            raise Damaged(f"expected a manifest with the digest {manifest}, found {found}: register the version again")
        try:
            files = Manifest.model_validate_json(content).files
        except ValidationError as error:
            raise Damaged(f"expected {manifest} to be a manifest, found {problems(error)}") from None
        if unsafe := [sentence for _, sentence in registered_path_problems(file.path for file in files)]:
            raise Damaged(f"the manifest {manifest} names files that cannot be written: {'; '.join(unsafe)}")
        return files

    def download(self, manifest: str, into: Path | str, *, max_bytes: int | None = None) -> list[Path]:
        """Make `into` a folder of exactly the files of a manifest, and return their paths, in the manifest's order.

        The files are written to a folder beside `into`, every size and digest is checked, and then that folder takes
        the place of `into`, in a single step where the system can. Whatever fails or kills the process, `into` is as it
        was, and what is left beside it is removed by the next download. What `into` held before is replaced if the
        store has the bytes of all of its files, of whatever version; a folder with other files, the working folder and
        a mounted file system are not. If it holds exactly these files already, it stays as it is. A link in the place
        of `into` is followed.

        Raise ValueError for a folder that is not replaced, for names that this system cannot hold, and for more than
        `max_bytes` (1 TiB), Damaged if a digest differs, Absent if the manifest or a blob is missing, Denied if it
        cannot be read, Unavailable if the store fails, OSError with ENOSPC if the disk has no room for the version.
        """
        return download(self, manifest, Path(into), max_bytes)

    @contextmanager
    def reading(self, key: str, bucket: str | None = None) -> Iterator[BaseHTTPResponse]:
        """The object's bytes as an open response, in this bucket or another; raise Absent, Denied or Unavailable."""
        with self.asking(f"read {key}", denies=True):
            response = self.client.get_object(bucket or self.bucket, key)
            try:
                yield response
            finally:
                response.close()
                response.release_conn()

    def head(self, key: str, bucket: str | None = None) -> tuple[int, str]:
        """The size in bytes and the ETag of an object, or ''; raise Absent, Denied or Unavailable.

        S3 answers a HEAD without an error code, so a bucket that is not there is Absent too. An object that is archived
        has a size, but its bytes cannot be read: it is Denied.
        """
        with self.asking(f"check {key}", denies=True):
            found = self.client.stat_object(bucket or self.bucket, key)
        if is_archived(found.metadata or {}):
            raise denied(f"expected {key} in the store at {self.endpoint}, found it archived", ARCHIVED, FORBIDDEN)
        return found.size or 0, found.etag or ""

    def keep(self, key: str, data: BinaryIO, size: int) -> str:
        """Put `size` bytes under `key`, unless the ETag of what is there proves that these are the bytes.

        Returns the ETag of the object, or ''.
        """
        try:
            there, tag = self.head(key)
            if there == size and tag == etag(data, size, in_parts="-" in tag):
                return tag
        except (Absent, Denied):
            pass
        data.seek(0)
        with self.asking(f"keep {key}"):
            put = self.client.put_object(self.bucket, key, data, size, part_size=part_bytes(size))
        return put.etag or ""

    @contextmanager
    def asking(self, what: str, *, denies: bool = False) -> Iterator[None]:
        """Turn the client's errors into ours: Absent if there is no such object, Unavailable for all else.

        For a request about a single object, `denies` raises Denied where the answer would be the same for ever: the
        store rejects the request, and answers another about our bucket with the same keys.
        """
        from minio.error import MinioException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (MinioException, HTTPError) as error:
            code, status = code_and_status(error)
            expected = f"expected the store at {self.endpoint} to {what}, found"
            if code == "NoSuchKey":
                raise Absent(f"{expected} no such object") from error
            if denies and is_lasting(code, status) and self._answers():
                raise denied(f"{expected} {code or f'status {status}'}", code, status) from error
            found, message = code or error, str(getattr(error, "message", ""))
            if "region" in message:  # which it is, and that MODELOG_S3_REGION names another
                found = f"{code} ({message})"
            raise Unavailable(
                f"{expected} {found}: check its address, the bucket {self.bucket} and the keys, then try again",
                code,
                status,
            ) from error

    def _answers(self) -> bool:
        """Whether the bucket is there and our keys are accepted."""
        try:
            with self.asking("check the bucket"):
                return self.client.bucket_exists(self.bucket)
        except Unavailable:
            return False
