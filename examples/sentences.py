"""Each event as a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from modelog import (
    DriftDetected,
    DriftRecorded,
    Event,
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

from examples.narrator import Tone

GOOD = (ModelValidated, ModelPromoted)
BAD = (ModelRejected, RegistrationRefused, PromotionRefused, RetirementRefused, RetrainingDeclined)


def tone(event: Event) -> Tone:
    """The colour of an event."""
    return "good" if isinstance(event, GOOD) else "bad" if isinstance(event, BAD) else "plain"


def shown(metrics: Mapping[str, float]) -> str:
    """The metrics that versions are compared by."""
    return ", ".join(f"{name} {value:.3f}" for name, value in sorted(metrics.items()) if not name.startswith("train_"))


def tell(event: Event) -> str:
    """What the event means."""
    match event:
        case ModelTrained():
            return f"{event.author} trained {event.model}, {event.description}: {shown(event.metrics)}"
        case ModelRegistered():
            kind = f"{event.size / 1000:.0f} kB of {event.format}"
            return f"the run is {event.model}/{event.version} now, {kind} pinned as {event.manifest[:15]}…"
        case ModelValidated():
            return f"{event.model}/{event.version} passed {len(event.findings)} checks: {event.findings[-1].sentence}"
        case ModelRejected():
            return f"{event.model}/{event.version} failed: " + "; ".join(
                f.sentence for f in event.findings if not f.passed
            )
        case ModelPromoted():
            instead = f" instead of {event.replaces}" if event.replaces else ""
            return f"{event.model}/{event.version} serves {event.stage}{instead}, by {event.by}"
        case DriftDetected():
            looked = f"{', '.join(event.features)} of {event.model}/{event.version}"
            return f"{event.detector} scored {event.score:.3f} for {looked}, threshold {event.threshold}"
        case DriftRecorded():
            return f"on the record of {event.model}/{event.version}"
        case RetrainingRequested():
            given = ", ".join(f"{name} {value}" for name, value in event.parameters.items())
            return f"train {event.model} again as {event.version} was, {given}: {event.why}"
        case ModelRetired():
            return f"{event.model}/{event.version} is used no more, by {event.by}: {event.reason}"
        case PromotionRequested() | RetirementRequested():
            return f"{event.by} wishes it for {event.model}/{event.version}: {event.reason}"
        case RegistrationRefused() | PromotionRefused() | RetirementRefused() | RetrainingDeclined():
            return f"{', '.join(event.reasons)}: {event.sentence}"
        case _:
            return event.model
