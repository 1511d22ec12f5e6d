"""A deployer: `python -m examples.deployer` loads whatever comes to serve production, and answers with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib  # type: ignore[import-untyped]
from modelog import ModelPromoted, SyncRegistry

from examples import MODEL
from examples.biopsies import biopsies


def deploy(registry: SyncRegistry, promoted: ModelPromoted) -> str:
    """Fetch the promoted bytes, load them, answer one question, and say so."""
    _, held_out = biopsies()
    with TemporaryDirectory(prefix="modelog-deployed-") as folder:
        # Loading a pickle runs the code in it. These bytes are those that were promoted: `download` goes by the digest
        # that the promotion names, and checks every byte. Load nothing that came another way.
        [file] = registry.download(promoted, Path(folder))
        forest = joblib.load(file)
    benign = float(forest.predict_proba(held_out.measured[:1])[0, 1])
    answer = f"benign ({benign:.0%})" if benign > 0.5 else f"malignant ({1 - benign:.0%})"
    instead = f" instead of {promoted.replaces}" if promoted.replaces else ""
    name = f"{promoted.model}/{promoted.version}"
    return f"{name} serves {promoted.stage}{instead}, predicts {answer} for the first biopsy of those held out"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.deployer", description="Serve what is promoted.")
    parser.add_argument("--group", default="tumours-deployer", help="members of one group share the promotions")
    parser.add_argument("--stage", default="production")
    told = parser.parse_args()
    with SyncRegistry(source="tumours-deployer") as registry:
        for message in registry.subscribe(ModelPromoted, group=told.group):
            if (message.event.model, message.event.stage) == (MODEL, told.stage):
                print(deploy(registry, message.event), flush=True)


if __name__ == "__main__":
    main()
