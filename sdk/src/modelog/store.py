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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from modelog import environment
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
from modelog.manifest import Manifest, blob_key, manifest_key
from modelog.paths import path_problems, registered_path_problems
from modelog.s3_settings import DEFAULT_BUCKET, Addressing, S3Settings
from modelog.untrusted import printable, problems
from modelog.values import Artifact, File

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ["Absent", "Damaged", "Denied", "Store", "Unavailable"]

CHUNK_BYTES = 1024 * 1024
PART_BYTES = 16 * CHUNK_BYTES
"""A part of a multipart upload; four parts are in memory at a time."""
MAX_PARTS = 10_000
"""The most parts that S3 accepts; a file above 156 GiB gets larger parts."""
MAX_MANIFEST_BYTES = 16 * CHUNK_BYTES
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
        self.client = settings.client(MAX_CONNECTIONS)

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> Store:
        """The store of the MODELOG_S3_… variables, of these or of this process; LookupError without an address."""
        settings = S3Settings.from_variables(environment.variables() if variables is None else variables)
        return cls(**asdict(settings))

    def uri(self, manifest: str) -> str:
        """The address of a manifest, `s3://bucket/manifests/sha256/<hex>`."""
        return f"s3://{self.bucket}/{manifest_key(manifest)}"

    def upload(self, paths: Path | str | Mapping[str, Path | str]) -> Artifact:
        """Put a file, a folder or `{path inside: local path}` into the store; bytes that are there are not sent again.

        Raise ValueError if there is nothing to upload or a path cannot be stored, Unavailable if the store fails.
        """
        local = {inside: Path(path) for inside, path in paths.items()} if isinstance(paths, Mapping) else _inside(paths)
        if not local:
            raise ValueError(f"expected files to upload, found none in {str(paths)!r}: upload what training wrote")
        if unsafe := [sentence for _, sentence in path_problems(local)]:
            raise ValueError("; ".join(unsafe))
        return Artifact(files=tuple(self._uploaded(inside, path) for inside, path in sorted(local.items())))

    def _uploaded(self, inside: str, path: Path) -> File:
        if not path.is_file():
            raise ValueError(f"expected a file at {printable(str(path))}, found none: name a file")
        with path.open("rb") as data:
            before = os.fstat(data.fileno())
            sha256 = _hashed(data, hashlib.sha256()).hexdigest()
            self.keep(blob_key(sha256), data, before.st_size)
            after = os.fstat(data.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ValueError(
                f"expected {printable(str(path))} to stay as it is, found it changed: upload it when it is written"
            )
        return File(path=inside, size=before.st_size, sha256=sha256)

    def files(self, manifest: str) -> tuple[File, ...]:
        """The files of a manifest; raise Damaged if its bytes have another digest, Absent if there is none."""
        with self.reading(manifest_key(manifest)) as response:
            content = response.read(MAX_MANIFEST_BYTES + 1, decode_content=False)
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

    def download(self, manifest: str, into: Path) -> list[Path]:
        """Write the files of a manifest below `into` and return their paths, in the manifest's order.

        Every size and digest is checked before the first file is moved to its path. Raise Damaged if a digest differs,
        Absent if the manifest or a blob is missing, Unavailable if the store fails; then `into` is as it was.
        """
        files = self.files(manifest)
        targets = [into / file.path for file in files]
        for target in targets:
            if not target.parent.resolve().is_relative_to(into.resolve()):
                raise ValueError(
                    f"expected {printable(str(target.parent))} inside {into}, found a link that leads out: remove it"
                )
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=into, prefix=".modelog-") as staging:
            staged = [self._fetched(file, Path(staging, str(number))) for number, file in enumerate(files)]
            for temporary, target in zip(staged, targets, strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(target)
        return targets

    def _fetched(self, file: File, to: Path) -> Path:
        sha256, size = hashlib.sha256(), 0
        with self.reading(blob_key(file.sha256)) as response, to.open("wb") as target:
            for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                size += len(chunk)
                if size > file.size:
                    break
                sha256.update(chunk)
                target.write(chunk)
        if (size, sha256.hexdigest()) != (file.size, file.sha256):
            raise Damaged(
                f"expected {file.path} with {file.size} bytes and sha256 {file.sha256}, "
                f"found other bytes in the store: upload and register it again"
            )
        return to

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
            there, etag = self.head(key)
            if there == size and etag == _etag(data, size, in_parts="-" in etag):
                return etag
        except (Absent, Denied):
            pass
        data.seek(0)
        with self.asking(f"keep {key}"):
            put = self.client.put_object(self.bucket, key, data, size, part_size=_part(size))
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


def _inside(path: Path | str) -> dict[str, Path]:
    root = Path(path)
    if not root.is_dir():
        return {root.name: root}
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(root):
        for local in (Path(folder, name) for name in folders + names):
            if local.is_symlink() and (local.is_dir() or not local.resolve().is_relative_to(root.resolve())):
                raise ValueError(
                    f"expected files inside {root}, found {printable(str(local))}, which links elsewhere: copy it there"
                )
        found |= {Path(folder, name).relative_to(root).as_posix(): Path(folder, name) for name in names}
    return found


def _hashed(data: BinaryIO, digest: hashlib._Hash, size: int | None = None) -> hashlib._Hash:
    """Feed the next `size` bytes, or all that are left, to `digest`."""
    left = size
    while chunk := data.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
        digest.update(chunk)
        left = None if left is None else left - len(chunk)
    return digest


def _part(size: int) -> int:
    return max(PART_BYTES, -(-size // MAX_PARTS))


def _etag(data: BinaryIO, size: int, in_parts: bool) -> str:
    """The ETag that S3 gives these bytes: their md5; for several parts the md5 of the parts' md5s, and their number."""
    data.seek(0)
    if not in_parts:
        return _hashed(data, hashlib.md5(usedforsecurity=False)).hexdigest()
    parts = [_hashed(data, hashlib.md5(usedforsecurity=False), _part(size)) for _ in range(0, size, _part(size))]
    joined = b"".join(part.digest() for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
