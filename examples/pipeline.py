"""A training pipeline: `python -m examples.pipeline train --trees 50 --depth 4`; `serve` trains at each request.

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
    """Train on the first `rows` biopsies, or on all, and publish the run with all that describes it."""
    training, test = biopsies()
    data = training.first(rows)
    forest = RandomForestClassifier(n_estimators=recipe.trees, max_depth=recipe.depth, random_state=recipe.seed)
    forest.fit(data.measured, data.benign)
    trained_at = datetime.now(UTC)
    with TemporaryDirectory(prefix="modelog-run-") as folder:
        file = Path(folder, "model.joblib")
        joblib.dump(forest, file)
        return registry.trained(
            MODEL,
            # Named after the request that it answers, so a request that is received twice makes a single version.
            run=f"retraining-{answers}" if answers else f"{trained_at:%Y-%m-%dT%H:%M:%S.%f}",
            files=file,
            metrics=scores(forest, test) | {"train_accuracy": forest.score(data.measured, data.benign)},
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


def scores(forest: RandomForestClassifier, test: Biopsies) -> dict[str, float]:
    """The metrics of the forest on biopsies that it was not trained on."""
    benign = forest.predict_proba(test.measured)[:, 1]
    return {
        "accuracy": float(accuracy_score(test.benign, benign > 0.5)),
        "f1": float(f1_score(test.benign, benign > 0.5)),
        "roc_auc": float(roc_auc_score(test.benign, benign)),
    }


def code() -> Code | None:
    """The commit of this checkout, if it is a git repository."""
    git = shutil.which("git")
    if git is None:
        return None
    head = [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    found = subprocess.run(head, capture_output=True, text=True, check=False)
    return None if found.returncode else Code(repository="modelog", commit=found.stdout.strip())


def serve(registry: SyncRegistry, *, group: str) -> None:
    """Train again, on all biopsies, at each request of modelog."""
    for request in registry.subscribe(RetrainingRequested, group=group):
        event = request.event
        if event.model == MODEL:
            print(f"{MODEL}/{event.version} is to be trained again: {event.why}", flush=True)
            train(registry, Recipe.model_validate(event.parameters), author="pipeline", answers=event.retraining)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.pipeline", description="Train the tumours model.")
    commands = parser.add_subparsers(dest="command", required=True)
    train_once = commands.add_parser("train", help="train once and publish model.trained")
    train_once.add_argument("--trees", type=int, default=50)
    train_once.add_argument("--depth", type=int, default=4)
    train_once.add_argument("--rows", type=int, help="use only the first rows of the data")
    train_once.add_argument("--author", default=getpass.getuser())
    serve_requests = commands.add_parser("serve", help="train again at every retraining.requested")
    serve_requests.add_argument("--group", default="tumours-pipeline", help="members of a group share the requests")
    arguments = parser.parse_args()
    with SyncRegistry(source="tumours-pipeline") as registry:
        if arguments.command == "serve":
            serve(registry, group=arguments.group)
        else:
            recipe = Recipe(trees=arguments.trees, depth=arguments.depth)
            message = train(registry, recipe, author=arguments.author, rows=arguments.rows)
            print(message.event.run)


if __name__ == "__main__":
    main()
