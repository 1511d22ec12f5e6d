"""A monitor: `python -m examples.monitor --version 2` compares the data of the last hour with the training data."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

import numpy as np
from modelog import DriftDetected, Message, SyncRegistry, Window
from numpy.typing import NDArray
from scipy.stats import ks_2samp  # type: ignore[import-untyped]

from examples import MODEL
from examples.biopsies import biopsies, features

THRESHOLD = 0.2


def watch(registry: SyncRegistry, version: int, feature: str, scale: float) -> Message[DriftDetected]:
    """Report how far a feature of the last hour is from the data that `version` was trained on.

    The data of the last hour is made up: the measures of a scanner that is wrong by the factor `scale`.
    """
    training, test = biopsies()
    column = features().index(feature)
    seen: NDArray[np.float64] = test.measured[:, column] * scale
    score = float(ks_2samp(training.measured[:, column], seen).statistic)
    now = datetime.now(UTC)
    report = DriftDetected(
        model=MODEL,
        version=version,
        detector="two-sample Kolmogorov-Smirnov",
        score=score,
        threshold=THRESHOLD,
        drifted=score > THRESHOLD,
        features=(feature,),
        window=Window(start=now - timedelta(hours=1), end=now),
    )
    return registry.publish(report)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.monitor", description="Look for drift once.")
    parser.add_argument("--version", type=int, required=True)
    parser.add_argument("--feature", default="mean radius", choices=features(), metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="the factor by which the scanner is wrong")
    arguments = parser.parse_args()
    with SyncRegistry(source="tumours-monitor") as registry:
        print(watch(registry, arguments.version, arguments.feature, arguments.scale).id)


if __name__ == "__main__":
    main()
