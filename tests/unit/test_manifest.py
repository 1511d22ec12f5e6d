import hashlib
import json
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.manifest import blob_key, manifest, manifest_key, path_problems
from modelog.store import Store
from modelog.values import File

EMPTY = hashlib.sha256(b"").hexdigest()
paths = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), unique=True, max_size=8)


def file(path: str, size: int = 0, sha256: str = EMPTY) -> File:
    return File(path=path, size=size, sha256=sha256)


def reasons(*found: str) -> list[str]:
    return [reason for reason, _ in path_problems(found)]


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


def test_keys_are_named_by_digest() -> None:
    assert blob_key(EMPTY) == f"blobs/sha256/{EMPTY}"
    assert manifest_key(f"sha256:{EMPTY}") == f"manifests/sha256/{EMPTY}"


@pytest.mark.parametrize("digest", ["", EMPTY, "sha256:", "sha256:../x", f"sha256:{EMPTY}\n", f"md5:{EMPTY}"])
def test_a_key_of_something_else_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="expected a manifest's digest"):
        manifest_key(digest)


@pytest.mark.parametrize(
    "path", ["model.pkl", "a/b/c.bin", "größe.onnx", ".hidden", "a..b", "...", "x y", "日本/モデル", "👩‍🔬.pt"]
)
def test_these_paths_are_safe(path: str) -> None:
    assert reasons(path) == []


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../b", "a/..", "./a", ".", "a//b", "a/", "a\\b", "C:x", "c:/x"],
)
def test_a_path_that_may_lead_elsewhere_is_unsafe(path: str) -> None:
    assert reasons(path) == ["unsafe path"]


@pytest.mark.parametrize("path", ["a\x00", "a\nb", "a\x7f", "a\x85", "\ud800"])
def test_a_path_with_a_control_character_is_unsafe(path: str) -> None:
    assert reasons(path) == ["unsafe path"]


@pytest.mark.parametrize("path", ["x" * 1001, "a/" * 500 + "aa", "x" * 256, "ü" * 128])
def test_a_path_that_is_too_long_for_a_folder_is_unsafe(path: str) -> None:
    assert reasons(path) == ["unsafe path"]


def test_a_path_sent_twice_is_a_single_problem() -> None:
    assert list(path_problems(["a", "a", "b"])) == [
        ("repeated path", "expected every path once, found 'a' 2 times: send it once")
    ]


def test_a_path_that_is_a_file_and_a_folder_is_repeated() -> None:
    assert reasons("a", "a/b") == ["repeated path"]


def test_every_problem_is_reported() -> None:
    assert reasons("../x", "b", "b", "/c") == ["unsafe path", "repeated path", "unsafe path"]


NAMES = st.sampled_from(["a", "b", "", "a.", "a b", "a-"])


@given(st.lists(st.lists(NAMES, max_size=4).map("/".join), max_size=5))
def test_a_path_is_repeated_where_it_comes_twice_or_another_is_its_folder(found: list[str]) -> None:
    expected = [
        path
        for path in dict.fromkeys(found)
        for is_repeated in (found.count(path) > 1, any(path.startswith(f"{other}/") for other in found))
        if is_repeated
    ]
    sentences = [sentence for reason, sentence in path_problems(found) if reason == "repeated path"]
    assert len(sentences) == len(expected)
    assert all(f" {path!r}" in sentence for path, sentence in zip(expected, sentences, strict=True))


def test_a_path_of_a_megabyte_is_refused_by_its_length_alone() -> None:
    """Beside another that is inside of it: a walk over the folders of both would take minutes."""
    deep = "a/" * 500_000 + "a"
    assert reasons(deep, f"{deep}/b", "a") == ["unsafe path", "unsafe path"]


def test_as_many_deep_paths_as_a_report_can_have_are_walked_once() -> None:
    deep = [f"{'a/' * 490}{number}" for number in range(1000)]
    assert reasons(*deep) == []
    assert reasons(*deep, f"{deep[7]}/b") == ["repeated path"]


def test_the_first_10_problems_are_listed() -> None:
    assert len(reasons(*(f"../{number}" for number in range(11)))) == 10
    assert [reason for reason, _ in path_problems(iter(["a", *(f"a/{number}" for number in range(9_000))]))] == [
        "repeated path"
    ] * 10


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


@pytest.mark.parametrize(
    ("path", "reason"),
    [("", "which is empty"), ("/model.pkl", "which is absolute"), ("C:model.pkl", "which is absolute")],
)
def test_an_unsafe_path_is_refused_with_its_reason(path: str, reason: str) -> None:
    assert [problem for problem in path_problems([path]) if problem[1].endswith(f"{path!r}, {reason}: rename it")]


def test_the_longest_path_has_1000_characters_and_the_longest_name_255_bytes() -> None:
    longest = "/".join(["x" * 249] * 4)
    assert (len(longest), reasons(longest), reasons(longest + "x")) == (999, [], [])
    assert reasons(longest + "xx") == ["unsafe path"]
    assert (reasons("ü" * 127 + "x"), reasons("ü" * 128)) == ([], ["unsafe path"])


def test_the_longest_path_may_not_be_inside_of_a_file_either() -> None:
    folder = "/".join(["x" * 200] * 4)
    longest = f"{folder}/{'x' * 196}"
    assert (len(longest), reasons(folder, longest)) == (1000, ["repeated path"])


def test_a_file_is_not_a_folder_at_any_depth() -> None:
    assert reasons("a/b", "a/b/c") == ["repeated path"]


@pytest.mark.parametrize("others", [["\\"], ["", ""], ["", "/below"]])
def test_a_long_path_is_shown_by_its_first_60_characters(others: list[str]) -> None:
    sentences = [sentence for _, sentence in path_problems("x" * 100 + other for other in others)]
    assert sentences
    assert all(f"{'x' * 60!r}" in sentence for sentence in sentences)


def test_a_long_digest_is_shown_by_its_first_100_characters() -> None:
    with pytest.raises(ValueError, match=f"found '{'x' * 100}'"):
        manifest_key("x" * 200)
