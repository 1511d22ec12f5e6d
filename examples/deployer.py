"""A deployer: `python -m examples.deployer` loads each version that is promoted to production, and predicts with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib  # type: ignore[import-untyped]
from modelog import ModelPromoted, SyncRegistry

from examples import MODEL
from examples.biopsies import biopsies


def deploy(registry: SyncRegistry, promoted: ModelPromoted) -> str:
    """Download the promoted files, load the model, and return its prediction for a biopsy as a sentence."""
    _, test = biopsies()
    with TemporaryDirectory(prefix="modelog-deployed-") as folder:
        # Loading a pickle runs the code in it. `download` checks every byte by the digest in the promotion, so these
        # are the bytes that were promoted. Do not load a file from elsewhere.
        [file] = registry.download(promoted, Path(folder))
        forest = joblib.load(file)
    benign = float(forest.predict_proba(test.measured[:1])[0, 1])
    prediction = f"benign ({benign:.0%})" if benign > 0.5 else f"malignant ({1 - benign:.0%})"
    instead = f" instead of {promoted.replaces}" if promoted.replaces else ""
    name = f"{promoted.model}/{promoted.version}"
    return f"{name} serves {promoted.stage}{instead}, predicts {prediction} for the first test biopsy"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.deployer", description="Serve what is promoted.")
    parser.add_argument("--group", default="tumours-deployer", help="members of a group share the promotions")
    parser.add_argument("--stage", default="production")
    arguments = parser.parse_args()
    with SyncRegistry(source="tumours-deployer") as registry:
        for message in registry.subscribe(ModelPromoted, group=arguments.group):
            if (message.event.model, message.event.stage) == (MODEL, arguments.stage):
                print(deploy(registry, message.event), flush=True)


if __name__ == "__main__":
    main()
