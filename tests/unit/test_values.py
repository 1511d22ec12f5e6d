import pytest
from modelog.values import Artifact, File, model_name
from pydantic import ValidationError

FILE = File(path="a", size=1, sha256="a" * 64)


@pytest.mark.parametrize("name", ["a", "7", "a" * 200, "Fraud 2.0_eu-west"])
def test_a_models_name_has_1_to_200_letters_digits_and_marks(name: str) -> None:
    assert model_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 201, "-a", "a.", "a/b", "größe", "a\n"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 characters"):
        model_name(name)


def test_a_refused_name_is_shown_in_60_characters_with_its_length() -> None:
    with pytest.raises(ValueError, match=rf"found '{'b' * 60}' \(201 characters\)"):
        model_name("b" * 201)


def test_an_artifact_is_files_or_an_address_and_not_both() -> None:
    assert Artifact(files=(FILE,)).uri is None
    assert Artifact(uri="s3://b/k").files == ()
    with pytest.raises(ValidationError, match="found both"):
        Artifact(files=(FILE,), uri="s3://b/k")


@pytest.mark.parametrize("wrong", [{"size": -1}, {"sha256": "A" * 64}, {"sha256": "a" * 63}, {"sha256": "a" * 65}])
def test_a_file_has_a_size_and_the_sha256_of_its_bytes(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        File.model_validate({**FILE.model_dump(), **wrong})
