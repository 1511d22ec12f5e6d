"""What a notebook shows of a registry, a message and an event: a line."""

from __future__ import annotations

import os

import pytest
from modelog import Artifact, Message, ModelPromoted, ModelTrained, PromotionRequested, Registry, SyncRegistry
from modelog.values import File

DIGEST = "sha256:" + "0" * 64
PROMOTED = ModelPromoted(
    model="fraud",
    version=7,
    stage="production",
    by="policy",
    manifest=DIGEST,
    uri=f"s3://modelog/manifests/sha256/{'0' * 64}",
    metrics={f"metric-{number}": 0.1 for number in range(100)},
    policy=DIGEST,
)


def test_a_message_shows_what_it_is_about() -> None:
    assert repr(Message(PROMOTED, "1", "modelog", sequence=12)) == "Message(model.promoted fraud/7 sequence=12)"
    assert repr(Message(ModelTrained(model="fraud", run="r1", artifact=Artifact(uri="s3://b/p")), "1", "ci")) == (
        "Message(model.trained fraud)"
    )


def test_the_message_of_the_longest_name_is_a_line() -> None:
    request = PromotionRequested(model="m" * 200, version=2**31 - 1, by="mira", reason="r" * 10_000)
    assert len(repr(Message(request, "i" * 500, "s" * 500, sequence=2**60))) < 300


def test_an_event_shows_what_is_not_the_default_and_cuts_what_is_long() -> None:
    assert repr(PromotionRequested(model="fraud", version=7, by="mira")) == (
        "PromotionRequested(model='fraud', by='mira', version=7)"
    )
    assert "metrics={'metric-0': 0.1, 'metric-1': 0.1, 'metric-10': 0.1, ...}" in repr(PROMOTED)
    assert "leaves" not in repr(PROMOTED)
    assert len(repr(PROMOTED)) < 350
    files = tuple(File(path=f"{number}.bin", size=1, sha256="0" * 64) for number in range(1000))
    assert len(repr(ModelTrained(model="fraud", run="r1", artifact=Artifact(files=files)))) < 200


@pytest.fixture
def _without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MODELOG_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("_without_variables")
@pytest.mark.parametrize("registry", [Registry, SyncRegistry])
def test_a_registry_shows_its_servers_and_no_password(registry: type[Registry | SyncRegistry]) -> None:
    kafka = {"bootstrap_servers": ["a:9092", "b:9092"], "sasl_plain_username": "ci", "sasl_plain_password": "hunter2"}
    assert repr(registry("a:9092")) == f"<{registry.__name__} a:9092, closed>"
    assert (
        repr(registry("x", prefix="eu.", kafka=kafka)) == f"<{registry.__name__} a:9092,b:9092, prefix 'eu.', closed>"
    )


async def test_a_subscription_shows_its_types_and_its_group() -> None:
    async with Registry("a:9092", prefix="eu.") as registry:
        assert repr(registry) == "<Registry a:9092, prefix 'eu.', open>"
        messages = registry.subscribe(PromotionRequested, ModelPromoted, group="deployer")
        assert repr(messages) == "<Subscription to promotion.requested, model.promoted, group 'eu.deployer'>"
