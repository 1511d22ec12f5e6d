"""The registry without async has the methods of the async registry, and they do the same."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import pytest
from modelog import ModelRetired, ModelTrained, PromotionRequested, Registry, SyncRegistry

from tests.sdk.reading import failing, requested, versions


def test_it_has_every_method_with_the_same_arguments() -> None:
    methods = [name for name, it in vars(Registry).items() if not name.startswith("_") and callable(it)]
    assert methods == ["connect", "close", "publish", "trained", "subscribe", "serving", "download"]
    for name in [*methods, "__init__"]:
        assert list(parameters(SyncRegistry, name)) == list(parameters(Registry, name))


def parameters(registry: type, name: str) -> list[tuple[str, object]]:
    return [(name, it.default) for name, it in inspect.signature(getattr(registry, name)).parameters.items()]


def test_the_error_of_a_closed_registry_shows_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="with SyncRegistry"):
        SyncRegistry().publish(requested(7))


@pytest.mark.integration
def test_a_run_is_published_and_read(sync_registry: SyncRegistry, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    published = sync_registry.trained("fraud", run="r1", files=tmp_path / "model.bin")
    assert list(sync_registry.subscribe(ModelTrained, group=None, until="now")) == [published]


@pytest.mark.integration
def test_a_skipped_record_is_counted(sync_registry: SyncRegistry, prefix: str) -> None:
    sender = sync_registry.registry._sender
    assert sender
    sync_registry.loop.wait(sender.send, f"{prefix}promotion.requested", b"fraud", b"{", [])
    messages = sync_registry.subscribe(PromotionRequested, group=None, until="now")
    assert (list(messages), messages.skipped) == ([], 1)


@pytest.mark.integration
def test_a_loop_that_is_left_gets_its_last_message_again(sync_registry: SyncRegistry) -> None:
    for version in (1, 2, 3):
        sync_registry.publish(requested(version))
    for message in sync_registry.subscribe(PromotionRequested, group="sync-left"):
        if message.event.version == 2:
            break
    for message in sync_registry.subscribe(PromotionRequested, group="sync-left"):
        assert message.event.version == 2
        break


@pytest.mark.integration
def test_an_entered_subscription_commits_its_last_message(sync_registry: SyncRegistry) -> None:
    for version in (1, 2):
        sync_registry.publish(requested(version))
    for expected in (1, 2):
        with sync_registry.subscribe(PromotionRequested, group="sync-entered") as messages:
            assert versions([next(iter(messages))]) == [expected]


@pytest.mark.integration
def test_a_failure_in_the_loop_comes_out_of_it(sync_registry: SyncRegistry) -> None:
    sync_registry.publish(requested(1))
    with pytest.raises(ZeroDivisionError):
        list(map(failing, sync_registry.subscribe(PromotionRequested, group="sync-failed")))


@pytest.mark.integration
def test_a_fact_is_not_published(sync_registry: SyncRegistry) -> None:
    with pytest.raises(ValueError, match="only modelog publishes facts"):
        sync_registry.publish(ModelRetired(model="fraud", version=7, by="mira"))


@pytest.mark.integration
def test_its_thread_ends_with_it(env: dict[str, str]) -> None:
    with SyncRegistry(env["MODELOG_KAFKA_SERVERS"]):
        assert "modelog" in [thread.name for thread in threading.enumerate()]
    assert "modelog" not in [thread.name for thread in threading.enumerate()]
