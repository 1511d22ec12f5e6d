"""MinIO's server is built once, with Go."""

from pathlib import Path

import pytest

from stack import StackError
from stack.minio import MODULE, build, program

GO = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
echo built > "$GOBIN/minio"
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without MinIO, and a PATH without Go."""
    monkeypatch.setenv("MODELOG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.mark.usefixtures("path")
def test_without_go_it_is_not_built_and_a_sentence_names_what_is_missing() -> None:
    with pytest.raises(StackError, match=r"built with Go, which is not here: install it from https://go\.dev"):
        build()


def test_it_is_built_at_the_first_use_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    (path / "go").write_text(GO)
    (path / "go").chmod(0o755)
    assert build() == program()
    assert build().read_text() == "built\n"
    assert (path / "asked").read_text() == f"install {MODULE}\n"


def test_a_failed_build_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    (path / "go").write_text("#!/bin/sh\nexit 1\n")
    (path / "go").chmod(0o755)
    with pytest.raises(StackError, match="could not be built"):
        build()
    assert not program().exists()
