from shared.domain.sentences import join_limited, shown
from shared.runtime.terminal import escaped

TEN = [f"s{n}" for n in range(10)]


def test_ten_sentences_are_joined_as_they_are() -> None:
    assert join_limited(TEN) == "s0; s1; s2; s3; s4; s5; s6; s7; s8; s9"


def test_of_more_than_ten_sentences_the_others_are_counted() -> None:
    assert join_limited([*TEN, "a", "b"], ", ").endswith("s8, s9, and 2 more")


def test_a_text_of_two_hundred_characters_is_shown_whole_and_a_longer_text_is_cut() -> None:
    assert shown("a" * 200) == repr("a" * 200)
    assert shown("a" * 201) == repr("a" * 200 + "…")


def test_a_shown_text_has_no_control_characters() -> None:
    assert shown("a\n\x1b[31m") == r"'a\n\x1b[31m'"


def test_an_escaped_text_has_only_characters_that_a_terminal_shows() -> None:
    assert escaped("Zoë, 日本 ✓ \\ 'a'") == "Zoë, 日本 ✓ \\ 'a'"
    assert escaped("a\r\n\x1b[31m\0\x9b\u202e\u2028\ud800\u200b") == (r"a\r\n\x1b[31m\x00\x9b\u202e\u2028\ud800\u200b")
