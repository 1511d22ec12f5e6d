"""The checks of a version: each is a function and returns its finding."""

from __future__ import annotations

import math
from collections.abc import Mapping

from modelog.metric_names import meeting
from modelog.policy import Limits, Policy
from modelog.values import Finding

from shared.domain.comparison import Champion, compare
from shared.domain.looking import BytesSeen
from shared.domain.sentences import join_limited


def check_all(
    policy: Policy, metrics: Mapping[str, float], format: str, seen: BytesSeen, champion: Champion | None
) -> tuple[Finding, ...]:
    """Every check that the policy requires."""
    return (
        bytes_as_promised(seen),
        format_known(format),
        metrics_finite(metrics),
        *(metric_within(name, limits, metrics) for name, limits in sorted(policy.required.items())),
        compare(policy, metrics, champion),
    )


def bytes_as_promised(seen: BytesSeen) -> Finding:
    """Whether what was looked at is in the store."""
    all_there = "all there" if seen.looked_at == seen.blobs else f"all of {seen.counted} there"
    return Finding(
        check="bytes as promised",
        passed=not seen.problems,
        required="the manifest and every blob in the store",
        observed=f"{len(seen.problems)} problems" if seen.problems else all_there,
        sentence=seen.sentence if seen.problems else f"the manifest and {seen.counted} of it are in the store",
    )


def format_known(format: str) -> Finding:
    """The format was found from the first bytes when they were pinned."""
    known = format != "unknown"
    return Finding(
        check="format known",
        passed=known,
        required="pickle, joblib, safetensors, onnx, h5 or pt",
        observed=format,
        sentence=f"the bytes are {format}" if known else "no file begins like a model format that is known here",
    )


def metrics_finite(metrics: Mapping[str, float]) -> Finding:
    """NaN and infinity compare with nothing."""
    bad = [f"{name} is {value}" for name, value in sorted(metrics.items()) if not math.isfinite(value)]
    return Finding(
        check="metrics finite",
        passed=not bad,
        required="every metric a finite number",
        observed=f"{len(bad)} of {len(metrics)} not finite",
        sentence=join_limited(bad, ", ") or "every metric is a finite number",
    )


def metric_within(name: str, limits: Limits, metrics: Mapping[str, float]) -> Finding:
    """A metric that the policy requires. Under several other names, each of them has to be within the limits."""
    bounds = [f"at least {limits.least:.6g}"] if limits.least is not None else []
    bounds += [f"at most {limits.most:.6g}"] if limits.most is not None else []
    required = f"{name} " + (" and ".join(bounds) or "present")
    values = {found: metrics[found] for found in meeting(name, metrics)}
    outside = {found: value for found, value in values.items() if not _within(limits, value)}
    # All digits where six could be those of the limit.
    sentences = [f"{_matched(found, name)} is {value}" for found, value in outside.items()]
    sentences = sentences or [f"{_matched(found, name)} is {value:.6g}" for found, value in values.items()]
    observed = [f"{value:.6g}" if found == name else f"{found} {value:.6g}" for found, value in values.items()]
    return Finding(
        check=f"{name} as required",
        passed=bool(values) and not outside,
        required=required,
        observed=join_limited(observed, ", ") or "missing",
        sentence=f"{join_limited(sentences, ', ') or f'{name} is missing'}, {required} is required",
    )


def _within(limits: Limits, value: float) -> bool:
    return (limits.least is None or value >= limits.least) and (limits.most is None or value <= limits.most)


def _matched(found: str, name: str) -> str:
    return found if found == name else f"{found} (for {name})"
