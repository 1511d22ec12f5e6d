import hashlib
import json
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.manifest import blob_key, manifest, manifest_bytes, manifest_key
from modelog.store import Store
from modelog.values import File

EMPTY = hashlib.sha256(b"").hexdigest()
paths = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), unique=True, max_size=8)


def file(path: str, size: int = 0, sha256: str = EMPTY) -> File:
    return File(path=path, size=size, sha256=sha256)


def test_a_manifest_lists_its_files_by_path_without_spaces() -> None:
    digest, content = manifest([file("b/ü", 2), file("a", 1)])
    assert content.decode() == (
        f'{{"files":[{{"path":"a","sha256":"{EMPTY}","size":1}},{{"path":"b/ü","sha256":"{EMPTY}","size":2}}]}}'
    )
    assert digest == "sha256:" + hashlib.sha256(content).hexdigest()


def test_a_published_manifest_keeps_its_digest() -> None:
    assert manifest([file("model.pkl", 12)])[0] == (
        "sha256:f9f31929da93d4b49bdc8d73bf76bf21f9f863dc39498b465300c9cddd3747c6"
    )


@given(paths, st.randoms())
def test_the_order_of_the_files_changes_nothing(names: list[str], random: Random) -> None:
    files = [file(name, len(name)) for name in names]
    shuffled = random.sample(files, len(files))
    assert manifest(files) == manifest(shuffled)


@given(paths)
def test_a_manifest_lists_all_of_its_files(names: list[str]) -> None:
    assert [f["path"] for f in json.loads(manifest(map(file, names))[1])["files"]] == sorted(names)


@given(paths)
def test_the_bytes_of_a_manifest_are_estimated_from_below(names: list[str]) -> None:
    content = manifest(map(file, names))[1]
    assert manifest_bytes(names) <= len(content)
    assert all(name.isprintable() for name in names) <= (len(content) < manifest_bytes(names) + 60 + 20 * len(names))


def test_keys_are_named_by_digest() -> None:
    assert blob_key(EMPTY) == f"blobs/sha256/{EMPTY}"
    assert manifest_key(f"sha256:{EMPTY}") == f"manifests/sha256/{EMPTY}"


@pytest.mark.parametrize("digest", ["", EMPTY, "sha256:", "sha256:../x", f"sha256:{EMPTY}\n", f"md5:{EMPTY}"])
def test_a_key_of_something_else_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="expected a manifest's digest"):
        manifest_key(digest)


def test_a_store_whose_address_is_incomplete_is_refused_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "BUCKET"):
        monkeypatch.setenv(f"MODELOG_S3_{name}", "http://127.0.0.1:1")
    monkeypatch.delenv("MODELOG_S3_BUCKET")
    with pytest.raises(LookupError, match="found no MODELOG_S3_BUCKET: set it"):
        Store.from_env()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "s3://bucket", "http://", ""])
def test_an_endpoint_without_http_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="expected an endpoint like http://host:port"):
        Store(endpoint, "key", "secret", "bucket")


def test_a_store_without_its_client_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "minio", None)
    with pytest.raises(ImportError, match=r"pip install 'modelog\[s3\]'"):
        Store("http://127.0.0.1:1", "key", "secret", "bucket")


def test_a_long_digest_is_shown_by_its_first_100_characters() -> None:
    with pytest.raises(ValueError, match=f"found '{'x' * 100}'"):
        manifest_key("x" * 200)
