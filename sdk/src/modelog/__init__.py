"""Python client for modelog, the event-sourced model registry: its events, and a registry to publish and subscribe.

from modelog import ModelPromoted, Registry

async with Registry() as registry:
    async for promoted in registry.subscribe(ModelPromoted, group="deployer"):
        print(promoted.event.model, promoted.event.version)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from modelog.envelope import Message, Unreadable
from modelog.errors import (
    AccessDenied,
    Interrupted,
    MissingExtra,
    MissingTopic,
    NotConnected,
    NotPublished,
    TransientError,
)
from modelog.events import (
    EVENTS,
    DriftDetected,
    DriftRecorded,
    Event,
    MessageConflicted,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelRetired,
    ModelTrained,
    ModelValidated,
    PromotionRefused,
    PromotionRequested,
    RegistrationRefused,
    RetirementRefused,
    RetirementRequested,
    RetrainingDeclined,
    RetrainingRequested,
)
from modelog.values import Artifact, Code, Dataset, Experiment, File, Finding, Framework, Window

if TYPE_CHECKING:
    from modelog.client import Registry
    from modelog.sync import SyncRegistry

__all__ = [
    "EVENTS", "AccessDenied", "Artifact", "Code", "Dataset", "DriftDetected", "DriftRecorded", "Event", "Experiment",
    "File", "Finding", "Framework", "Interrupted", "Message", "MessageConflicted", "MissingExtra", "MissingTopic",
    "ModelPromoted", "ModelRegistered", "ModelRejected", "ModelRetired", "ModelTrained", "ModelValidated",
    "NotConnected", "NotPublished", "PromotionRefused", "PromotionRequested", "RegistrationRefused", "Registry",
    "RetirementRefused", "RetirementRequested", "RetrainingDeclined", "RetrainingRequested", "SyncRegistry",
    "TransientError", "Unreadable", "Window",
]  # fmt: skip

CLIENTS = {"Registry": "modelog.client", "SyncRegistry": "modelog.sync"}


def __getattr__(name: str) -> object:
    """Import the clients when they are used, so that the events alone need no Kafka library."""
    if name not in CLIENTS:
        raise AttributeError(f"module 'modelog' has no attribute {name!r}")
    return getattr(import_module(CLIENTS[name]), name)
