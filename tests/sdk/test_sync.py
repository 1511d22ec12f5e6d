"""The plain twin has the verbs of the async one, and says the same."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import pytest
from modelog import ModelRetired, ModelTrained, PromotionRequested, Registry, SyncRegistry

from tests.sdk.reading import failing, versions, wish


def test_it_has_every_verb_with_the_same_arguments() -> None:
    verbs = [name for name, it in vars(Registry).items() if not name.startswith("_") and callable(it)]
    assert verbs == ["publish", "trained", "subscribe", "download"]
    for name in [*verbs, "__init__"]:
        assert list(parameters(SyncRegistry, name)) == list(parameters(Registry, name))


def parameters(registry: type, name: str) -> list[tuple[str, object]]:
    return [(name, it.default) for name, it in inspect.signature(getattr(registry, name)).parameters.items()]


def test_a_closed_registry_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="with SyncRegistry"):
        SyncRegistry().publish(wish(7))


@pytest.mark.integration
def test_a_run_is_published_and_heard(plain: SyncRegistry, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    said = plain.trained("fraud", run="r1", files=tmp_path / "model.bin")
    assert list(plain.subscribe(ModelTrained, group=None, until="now")) == [said]


@pytest.mark.integration
def test_a_loop_that_is_left_hears_its_last_message_again(plain: SyncRegistry) -> None:
    for version in (1, 2, 3):
        plain.publish(wish(version))
    for message in plain.subscribe(PromotionRequested, group="plain-left"):
        if message.event.version == 2:
            break
    for message in plain.subscribe(PromotionRequested, group="plain-left"):
        assert message.event.version == 2
        break


@pytest.mark.integration
def test_an_entered_subscription_is_done_with_its_last_message(plain: SyncRegistry) -> None:
    for version in (1, 2):
        plain.publish(wish(version))
    for expected in (1, 2):
        with plain.subscribe(PromotionRequested, group="plain-entered") as messages:
            assert versions([next(iter(messages))]) == [expected]


@pytest.mark.integration
def test_a_failure_in_the_loop_comes_out_of_it(plain: SyncRegistry) -> None:
    plain.publish(wish(1))
    with pytest.raises(ZeroDivisionError):
        list(map(failing, plain.subscribe(PromotionRequested, group="plain-failed")))


@pytest.mark.integration
def test_facts_are_said_by_modelog(plain: SyncRegistry) -> None:
    with pytest.raises(ValueError, match="facts are said by modelog"):
        plain.publish(ModelRetired(model="fraud", version=7, by="mira"))


@pytest.mark.integration
def test_nothing_is_left_of_its_thread(env: dict[str, str]) -> None:
    with SyncRegistry(env["MODELOG_KAFKA_SERVERS"]):
        assert "modelog" in [thread.name for thread in threading.enumerate()]
    assert "modelog" not in [thread.name for thread in threading.enumerate()]
