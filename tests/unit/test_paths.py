"""Which paths a new version may have. The rule of older versions is tested with the laws that both have."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.paths import PathProblem, folded, path_problems, registered_path_problems

Rule = Callable[[Iterable[str]], Iterator[tuple[PathProblem, str]]]
both_rules = pytest.mark.parametrize("rule", [path_problems, registered_path_problems])


def reasons(*found: str, rule: Rule = path_problems) -> list[str]:
    return [reason for reason, _ in rule(found)]


@both_rules
@pytest.mark.parametrize(
    "path",
    [
        "model.pkl",
        "a/b/c.bin",
        "größe.onnx",
        ".hidden",
        "a..b",
        "x y",
        " x",
        "日本/モデル",
        "全角\u3000空白",
        "👩.pt",
        "❤\ufe0f.pt",
    ],
)
def test_these_paths_are_safe(rule: Rule, path: str) -> None:
    assert reasons(path, rule=rule) == []


@both_rules
@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../b", "a/..", "./a", ".", "a//b", "a/", "a\\b", "C:x", "c:/x"],
)
def test_a_path_that_may_lead_elsewhere_is_unsafe(rule: Rule, path: str) -> None:
    assert reasons(path, rule=rule) == ["unsafe path"]


@both_rules
@pytest.mark.parametrize("path", ["a\x00", "a\nb", "a\x7f", "a\x85", "\ud800"])
def test_a_path_with_a_control_character_is_unsafe(rule: Rule, path: str) -> None:
    assert reasons(path, rule=rule) == ["unsafe path"]


@both_rules
@pytest.mark.parametrize("path", ["x" * 1001, "a/" * 500 + "aa", "x" * 256, "ü" * 128])
def test_a_path_that_is_too_long_for_a_folder_is_unsafe(rule: Rule, path: str) -> None:
    assert reasons(path, rule=rule) == ["unsafe path"]


NOT_PORTABLE = {
    "a name of a device": ["CON", "nul", "a/Aux.txt", "prn/x", "COM1", "com0.log", "LPT9.tar.gz", "LPT³", "CON .txt"],
    "another name of a device": ["CONIN$", "conout$", "a/CLOCK$/b"],
    "a character that Windows refuses": ["a<b", "a>b", "co:lon", 'say "hi"', "a|b", "what?", "a*"],
    "a dot or a space at the end": ["dot.", "blank ", "a./b", "a /b", "...", " "],
    "a direction of text": ["\u202egnp.pt", "a\u2066b", "a\u200fb"],
    "no width": ["a\u200bb", "a\ufeffb", "\u00ad", "👩\u200d🔬.pt", "a\u3164", "\u115f", "a\u034fb"],
    "a line or paragraph of its own": ["a\u2028b", "a\u2029b"],
    "no meaning": ["a\ue000", "\U000f0000", "a\u0378", "\uffff"],
    "a length above that of a system": ["ü/" * 400 + "x", "ǖ" * 100],
}


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in NOT_PORTABLE.items() for path in paths])
def test_a_path_that_some_system_cannot_hold_is_unsafe_in_a_new_version_alone(kind: str, path: str) -> None:
    assert reasons(path) == ["unsafe path"], kind
    assert reasons(path, rule=registered_path_problems) == []


@pytest.mark.parametrize(
    "path", ["CONSOLE", "nul_", "COM", "COM10", "LPT¹0", "xCON", "a.con", "CON-1.txt", "AUXILIARY/x"]
)
def test_a_name_that_only_resembles_that_of_a_device_is_safe(path: str) -> None:
    assert reasons(path) == []


ALIKE = [
    ("Vocab.txt", "vocab.txt"),
    ("f\u00fcr.bin", "fu\u0308r.bin"),
    ("F\u00dcR", "fu\u0308r"),
    ("Straße", "STRASSE"),
    ("\u017f", "S"),
    ("\u212a", "k"),
    ("\u0131", "I"),
    ("\u1e9e", "ß"),
    ("❤", "❤\ufe0f"),
    ("A/x", "a/y"),
    ("a/B/x", "a/b/y"),
    ("für/x", "fu\u0308r/y"),
    ("a", "A/b"),
    ("a/b", "A"),
    ("a/b/c/x", "a/B/x"),
    ("a/B/x", "a/b/c/d/x"),
]


@pytest.mark.parametrize("paths", ALIKE)
def test_paths_that_some_system_takes_for_the_same_are_repeated_in_a_new_version_alone(paths: tuple[str, str]) -> None:
    for found in (paths, paths[::-1]):
        assert reasons(*found) == ["repeated path"]
        assert reasons(*found, rule=registered_path_problems) == []


def test_folders_of_the_same_name_are_not_repeated() -> None:
    assert reasons("a/x", "a/y", "b/x", "b/a/x", "a/b/x", "ab/x", "a-/x") == []


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["A/ü", "a/y"], "'a/y' and 'A/ü'"),
        (["für", "fu\u0308r"], r"'f\xfcr' and 'fu\u0308r'"),
        (["B" + "x" * 60, "b" + "x" * 60], f"'b{'x' * 59}' and 'B{'x' * 59}'"),
        (["x" * 60 + "A", "x" * 60 + "a"], f"'{'x' * 60}' and '{'x' * 60}'"),
    ],
)
def test_paths_that_may_look_the_same_are_both_named_with_what_differs(paths: list[str], found: str) -> None:
    assert [sentence for _, sentence in path_problems(paths)] == [
        f"expected names that every system can tell apart, found {found}, which differ in case or in the form of "
        "letters only: rename either"
    ]


def test_no_mapping_of_case_or_form_that_unicode_knows_makes_another_name() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) in ("Cs", "Co", "Cn"):
            continue
        forms = {character.lower(), character.upper(), character.title(), character.casefold()}
        forms |= {unicodedata.normalize("NFC", character), unicodedata.normalize("NFD", character)}
        assert {folded(form) for form in forms} == {folded(character)}, hex(number)


@both_rules
def test_a_path_sent_twice_is_a_single_problem(rule: Rule) -> None:
    assert list(rule(["a", "a", "b"])) == [
        ("repeated path", "expected every path once, found 'a' 2 times: send it once")
    ]


@both_rules
def test_a_path_that_is_a_file_and_a_folder_is_repeated(rule: Rule) -> None:
    assert reasons("a", "a/b", rule=rule) == ["repeated path"]


@both_rules
def test_every_problem_is_reported(rule: Rule) -> None:
    assert reasons("../x", "b", "b", "/c", rule=rule) == ["unsafe path", "repeated path", "unsafe path"]


NAMES = st.sampled_from(["a", "b", "", "a.", "a b", "a-"])


@both_rules
@given(st.lists(st.lists(NAMES, max_size=4).map("/".join), max_size=5))
def test_a_path_is_repeated_where_it_comes_twice_or_another_is_its_folder(rule: Rule, found: list[str]) -> None:
    expected = [
        path
        for path in dict.fromkeys(found)
        for is_repeated in (found.count(path) > 1, any(path.startswith(f"{other}/") for other in found))
        if is_repeated
    ]
    sentences = [sentence for reason, sentence in rule(found) if reason == "repeated path"]
    assert len(sentences) == len(expected)
    assert all(f" {path!r}" in sentence for path, sentence in zip(expected, sentences, strict=True))


@both_rules
def test_a_path_of_a_megabyte_is_refused_by_its_length_alone(rule: Rule) -> None:
    """Beside another that is inside of it: a walk over the folders of both would take minutes."""
    deep = "a/" * 500_000 + "a"
    assert reasons(deep, f"{deep}/b", "a", rule=rule) == ["unsafe path", "unsafe path"]


@both_rules
def test_as_many_deep_paths_as_a_report_can_have_are_walked_once(rule: Rule) -> None:
    deep = [f"{'a/' * 490}{number}" for number in range(1000)]
    assert reasons(*deep, rule=rule) == []
    assert reasons(*deep, f"{deep[7]}/b", rule=rule) == ["repeated path"]


@both_rules
def test_the_first_10_problems_are_listed(rule: Rule) -> None:
    assert len(reasons(*(f"../{number}" for number in range(11)), rule=rule)) == 10
    assert [reason for reason, _ in rule(iter(["a", *(f"a/{number}" for number in range(9_000))]))] == [
        "repeated path"
    ] * 10


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "which is empty"),
        ("/model.pkl", "which is absolute"),
        ("C:model.pkl", "which is absolute"),
        ("a?", 'which has one of < > : " | ? * in it'),
        ("a.", "which has a name that ends with a dot or a space"),
        ("nul", "which has a name that is a device on Windows"),
        ("\u202e", "which has a character that is invisible, changes the direction of text, or is not assigned"),
    ],
)
def test_an_unsafe_path_is_refused_with_its_reason(path: str, reason: str) -> None:
    assert [problem for problem in path_problems([path]) if problem[1].endswith(f"{path!r}, {reason}: rename it")]


def test_the_longest_path_has_1000_characters_and_the_longest_name_255_bytes() -> None:
    longest = "/".join(["x" * 249] * 4)
    assert (len(longest), reasons(longest), reasons(longest + "x")) == (999, [], [])
    assert reasons(longest + "xx") == ["unsafe path"]
    assert (reasons("ü" * 127 + "x"), reasons("ü" * 128)) == ([], ["unsafe path"])


def test_a_name_of_64_characters_may_be_too_long() -> None:
    assert (reasons("🙂" * 63), reasons("🙂" * 64)) == ([], ["unsafe path"])


def test_the_longest_path_has_1000_bytes_and_the_longest_name_255_decomposed_characters() -> None:
    folders = "ü" * 100 + "/"
    assert (reasons(folders * 4 + "ü" * 98), reasons(folders * 4 + "ü" * 99)) == ([], ["unsafe path"])
    assert (reasons("ǖ" * 85), reasons("ǖ" * 86)) == ([], ["unsafe path"])


@both_rules
def test_the_longest_path_may_not_be_inside_of_a_file_either(rule: Rule) -> None:
    folder = "/".join(["x" * 200] * 4)
    longest = f"{folder}/{'x' * 196}"
    assert (len(longest), reasons(folder, longest, rule=rule)) == (1000, ["repeated path"])


@both_rules
def test_a_file_is_not_a_folder_at_any_depth(rule: Rule) -> None:
    assert reasons("a/b", "a/b/c", rule=rule) == ["repeated path"]


@pytest.mark.parametrize("others", [["\\"], ["", ""], ["", "/below"]])
def test_a_long_path_is_shown_by_its_first_60_characters(others: list[str]) -> None:
    sentences = [sentence for _, sentence in path_problems("x" * 100 + other for other in others)]
    assert sentences
    assert all(f"{'x' * 60!r}" in sentence for sentence in sentences)
