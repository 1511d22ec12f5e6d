"""Kafka's jars are loaded only with the bytes that are expected."""

import os
import stat
from pathlib import Path

import pytest

from stack import StackError, jars
from stack import cache as cache_module
from stack.kafka import Kafka


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with Kafka, which consists of two small jars here; a fetch makes them again."""

    def resolve(scratch: Path) -> list[Path]:
        for name in ("a", "b"):
            (scratch / f"{name}.jar").write_text(f"the bytes of {name}")
        return sorted(scratch.glob("*.jar"))

    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.setattr(jars, "DIGEST", jars.digest(resolve(source)))
    monkeypatch.setattr(jars, "resolve", resolve)
    monkeypatch.setenv("MODELOG_CACHE", str(tmp_path / "cache"))
    jars.kafka_jars()
    return tmp_path / "cache"


def names() -> list[str]:
    return [jar.name for jar in jars.kafka_jars()]


def test_an_added_jar_is_not_loaded_and_the_jars_are_fetched_again(cache: Path) -> None:
    evil = jars.kafka_jars()[0].with_name("evil.jar")
    evil.write_text("evil")
    assert names() == ["a.jar", "b.jar"]
    assert not evil.exists()


def test_a_changed_jar_is_fetched_again(cache: Path) -> None:
    changed = jars.kafka_jars()[0]
    changed.write_text("evil")
    assert jars.kafka_jars()[0] == changed
    assert changed.read_text() == "the bytes of a"


def test_a_jar_that_is_missing_is_fetched_again(cache: Path) -> None:
    jars.kafka_jars()[0].unlink()
    assert names() == ["a.jar", "b.jar"]


def test_other_users_cannot_write_to_a_jar_that_is_loaded(cache: Path) -> None:
    open_to_all = jars.kafka_jars()[0]
    open_to_all.chmod(0o666)
    open_to_all.parent.chmod(0o777)
    jars.kafka_jars()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (open_to_all, open_to_all.parent)] == [0o644, 0o755]


def test_a_jar_behind_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    jar = jars.kafka_jars()[0]
    jar.rename(tmp_path / "elsewhere.jar")
    jar.symlink_to(tmp_path / "elsewhere.jar")
    with pytest.raises(StackError, match="is a link"):
        jars.kafka_jars()


def test_jars_of_another_user_are_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "ROOT_USER", 12345)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StackError, match="belongs to another user"):
        jars.kafka_jars()


@pytest.mark.usefixtures("cache")
def test_the_class_path_names_every_jar(tmp_path: Path) -> None:
    command = Kafka(tmp_path / "kafka", erase=False).command()
    assert command[command.index("-cp") + 1].split(os.pathsep) == [str(jar) for jar in jars.kafka_jars()]
