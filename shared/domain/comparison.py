"""Is a challenger worse than the champion? For validation, and for promotion where the champion has changed since."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from modelog.metric_names import Known
from modelog.policy import Policy
from modelog.values import Finding

from shared.domain.sentences import join_limited


@dataclass(frozen=True)
class Champion:
    """The version that serves the champion's stage, and the metrics it was registered with."""

    version: int
    metrics: Mapping[str, float]


def compare(policy: Policy, metrics: Mapping[str, float], champion: Champion | None) -> Finding:
    """Whether every metric that both have, and whose direction the policy knows, is at most `tolerance` worse.

    Both have a metric under the same name: `val_auc` and `test_auc` are not compared. The tolerance is a share of the
    champion's absolute value. No common metric is a failure.
    """
    check, required = "not worse than the champion", f"at most {policy.tolerance:.2%} worse than the champion"
    if champion is None:
        sentence = "there is no champion to compare with"
        return Finding(check=check, passed=True, required=required, observed="no champion", sentence=sentence)
    names = policy.metric_names
    shared = {
        name: (value, champion.metrics[name], known)
        for name, value in sorted(metrics.items())
        if name in champion.metrics and (known := names.find(name)) and known.direction
    }
    if not shared:
        theirs = join_limited(sorted(champion.metrics), ", ") or "none"
        return Finding(
            check=check,
            passed=False,
            required="a metric that the champion has too, whose direction the policy knows",
            observed=join_limited(sorted(metrics), ", ") or "no metrics",
            sentence=f"nothing can be compared with champion {champion.version}, whose metrics are: {theirs}",
        )
    worse = [name for name, values in shared.items() if _worse(*values, policy.tolerance)]
    sentences = [_sentence(name, *shared[name], champion.version) for name in worse or shared]
    return Finding(
        check=check,
        passed=not worse,
        required=required,
        observed=join_limited([f"{name} {value:.6g}" for name, (value, _, _) in shared.items()], ", "),
        sentence=join_limited(sentences) + (f", beyond the tolerance of {policy.tolerance:.2%}" if worse else ""),
    )


def _worse(value: float, theirs: float, known: Known, tolerance: float) -> bool:
    if not math.isfinite(value):
        return True
    if not math.isfinite(theirs):
        return False
    # As they were written in decimal: in binary, .009 more is not .01 of .9.
    mine, best, share = (Fraction(str(number)) for number in (value, theirs, tolerance))
    lost = best - mine if known.direction == "higher" else mine - best
    return lost > share * abs(best)


def _sentence(name: str, value: float, theirs: float, known: Known, champion: int) -> str:
    better = value > theirs if known.direction == "higher" else value < theirs
    verdict = "equal to" if value == theirs else "better than" if better else "worse than"
    matched = "" if known.name == name else f"as {known.name}, "
    return (
        f"{name} {shown_beside(value, theirs)} is {verdict} champion {champion}'s {shown_beside(theirs, value)} "
        f"({matched}{known.direction} is better)"
    )


def shown_beside(value: float, other: float) -> str:
    """Six digits of a value, or all where six do not show that the other is another."""
    return f"{value:.6g}" if value == other or f"{value:.6g}" != f"{other:.6g}" else str(value)
