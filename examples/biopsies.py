"""The data of the examples: measured tumours, for training and for testing. It comes with scikit-learn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from modelog import Dataset
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Biopsies:
    """A row for each tumour: its measures, and whether it is benign (1) or malignant (0)."""

    measured: NDArray[np.float64]
    benign: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.benign)

    def first(self, rows: int | None) -> Biopsies:
        """The oldest rows, or all."""
        return Biopsies(self.measured[:rows], self.benign[:rows])

    @property
    def dataset(self) -> Dataset:
        """The description of this data in a run."""
        digest = hashlib.sha256(self.measured.tobytes() + self.benign.tobytes()).hexdigest()
        return Dataset(name="biopsies", version=f"{len(self)} rows", digest=f"sha256:{digest}")


@cache
def biopsies() -> tuple[Biopsies, Biopsies]:
    """The rows for training and the rows for testing, the same at every call."""
    data: Any = load_breast_cancer()
    split = train_test_split(data.data, data.target, test_size=0.3, random_state=0, stratify=data.target)
    train_measured, test_measured, train_benign, test_benign = split
    return Biopsies(train_measured, train_benign), Biopsies(test_measured, test_benign)


@cache
def features() -> tuple[str, ...]:
    """The names of the measures, in the order of the columns."""
    return tuple(str(name) for name in load_breast_cancer().feature_names)
