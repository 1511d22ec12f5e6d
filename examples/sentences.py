"""Each event as a sentence."""

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
    """The metrics by which versions are compared."""
    return ", ".join(f"{name} {value:.3f}" for name, value in sorted(metrics.items()) if not name.startswith("train_"))


def sentence(event: Event) -> str:
    """The meaning of the event."""
    match event:
        case ModelTrained():
            return f"{event.author} trained {event.model}, {event.description}: {shown(event.metrics)}"
        case ModelRegistered():
            kind = f"{event.size / 1000:.0f} kB of {event.format}"
            return f"registered as {event.model}/{event.version}, {kind}, pinned as {event.manifest[:15]}…"
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
            scored = f"{', '.join(event.features)} of {event.model}/{event.version}"
            return f"{event.detector} scored {event.score:.3f} for {scored}, threshold {event.threshold}"
        case DriftRecorded():
            return f"drift of {event.model}/{event.version} is recorded"
        case RetrainingRequested():
            parameters = ", ".join(f"{name} {value}" for name, value in event.parameters.items())
            return f"train {event.model} again with the parameters of {event.version}, {parameters}: {event.why}"
        case ModelRetired():
            return f"{event.model}/{event.version} is retired, by {event.by}: {event.reason}"
        case PromotionRequested():
            return f"{event.by} requests {event.stage} for {event.model}/{event.version}: {event.reason}"
        case RetirementRequested():
            return f"{event.by} requests the retirement of {event.model}/{event.version}: {event.reason}"
        case RegistrationRefused() | PromotionRefused() | RetirementRefused() | RetrainingDeclined():
            return f"{', '.join(event.reasons)}: {event.sentence}"
        case _:
            return event.model
