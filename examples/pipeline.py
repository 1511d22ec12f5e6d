"""A training pipeline: `python -m examples.pipeline train --trees 50 --depth 4`; `serve` trains when it is asked to.

The addresses come from the environment, as `make up` writes them: `set -a; . .modelog/env; set +a`.
"""

from __future__ import annotations

import argparse
import getpass
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import joblib  # type: ignore[import-untyped]
from modelog import Code, Framework, Message, ModelTrained, RetrainingRequested, SyncRegistry
from pydantic import BaseModel
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score  # type: ignore[import-untyped]

from examples import MODEL
from examples.biopsies import Biopsies, biopsies, features


class Recipe(BaseModel, frozen=True):
    """The parameters of a run; a request for retraining brings back those of the version that drifted."""

    trees: int = 50
    depth: int = 4
    seed: int = 0


def train(
    registry: SyncRegistry, recipe: Recipe, *, author: str, rows: int | None = None, answers: UUID | None = None
) -> Message[ModelTrained]:
    """Train on the first `rows` biopsies, or all there are, and tell modelog everything about it."""
    collected, held_out = biopsies()
    data = collected.first(rows)
    forest = RandomForestClassifier(n_estimators=recipe.trees, max_depth=recipe.depth, random_state=recipe.seed)
    forest.fit(data.measured, data.benign)
    trained_at = datetime.now(UTC)
    with TemporaryDirectory(prefix="modelog-run-") as folder:
        file = Path(folder, "model.joblib")
        joblib.dump(forest, file)
        return registry.trained(
            MODEL,
            # Named after the request that it answers: a request that is heard twice is one run, and one version.
            run=f"retraining-{answers}" if answers else f"{trained_at:%Y-%m-%dT%H:%M:%S.%f}",
            files=file,
            metrics=scores(forest, held_out) | {"train_accuracy": forest.score(data.measured, data.benign)},
            parameters=recipe.model_dump(),
            datasets=[data.dataset],
            features=features(),
            code=code(),
            framework=Framework(name="scikit-learn", version=version("scikit-learn")),
            dependencies=[f"{name}=={version(name)}" for name in ("joblib", "numpy", "scikit-learn")],
            author=author,
            trained_at=trained_at,
            description=f"trees {recipe.trees}, depth {recipe.depth}",
            answers=answers,
        )


def scores(forest: RandomForestClassifier, held_out: Biopsies) -> dict[str, float]:
    """How good the forest is on biopsies that it has not seen."""
    benign = forest.predict_proba(held_out.measured)[:, 1]
    return {
        "accuracy": float(accuracy_score(held_out.benign, benign > 0.5)),
        "f1": float(f1_score(held_out.benign, benign > 0.5)),
        "roc_auc": float(roc_auc_score(held_out.benign, benign)),
    }


def code() -> Code | None:
    """The commit that runs, where there is one."""
    git = shutil.which("git")
    if git is None:
        return None
    head = [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    found = subprocess.run(head, capture_output=True, text=True, check=False)
    return None if found.returncode else Code(repository="modelog", commit=found.stdout.strip())


def serve(registry: SyncRegistry, *, group: str) -> None:
    """Train again, on all the biopsies there are by now, whenever modelog asks for it."""
    for request in registry.subscribe(RetrainingRequested, group=group):
        wanted = request.event
        if wanted.model == MODEL:
            print(f"{MODEL}/{wanted.version} is to be trained again: {wanted.why}", flush=True)
            train(registry, Recipe.model_validate(wanted.parameters), author="pipeline", answers=wanted.retraining)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.pipeline", description="Train the tumours model.")
    orders = parser.add_subparsers(dest="order", required=True)
    once = orders.add_parser("train", help="train once and publish model.trained")
    once.add_argument("--trees", type=int, default=50)
    once.add_argument("--depth", type=int, default=4)
    once.add_argument("--rows", type=int, help="use only the first rows of the data")
    once.add_argument("--author", default=getpass.getuser())
    always = orders.add_parser("serve", help="train again at every retraining.requested")
    always.add_argument("--group", default="tumours-pipeline", help="members of one group share the requests")
    order = parser.parse_args()
    with SyncRegistry(source="tumours-pipeline") as registry:
        if order.order == "serve":
            serve(registry, group=order.group)
        else:
            recipe = Recipe(trees=order.trees, depth=order.depth)
            told = train(registry, recipe, author=order.author, rows=order.rows)
            print(told.event.run)


if __name__ == "__main__":
    main()
