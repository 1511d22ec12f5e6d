"""Mutation tests: a pure module is changed in one place, and a unit test must fail; then the same for the next place.

    make mutants                                       # 1,900 changes, 3 minutes on two cores
    make mutants ARGS="shared.domain.comparison.*"     # some of them, by the names of mutmut

Each change that no test notices is printed, unless docs/mutants.md explains it, and then the exit code is 1.
Everything happens in a copy of the checkout.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
EXPLAINED = ROOT / "docs" / "mutants.md"
COPIED = ("services", "shared", "stack", "operations", "tests", "pyproject.toml")
MUTATED = (
    "services/*/decision.py",
    "services/validation/checks.py",
    "services/ingestion/formats.py",
    "shared/domain/*.py",
    "modelog/digest.py",
    "modelog/envelope.py",
    "modelog/manifest.py",
    "modelog/metric_names.py",
    "modelog/paths.py",
    "modelog/policy.py",
    "modelog/untrusted.py",
    "modelog/values.py",
)
TESTS = (
    "test_cause*",
    "test_checks*",
    "test_comparison*",
    "test_decisions*",
    "test_any_bytes*",
    "test_envelope*",
    "test_formats*",
    "test_identity*",
    "test_looking*",
    "test_manifest*",
    "test_metric_names*",
    "test_paged_map*",
    "test_paths*",
    "test_policy*",
    "test_promotion*",
    "test_registration*",
    "test_retirement*",
    "test_retraining*",
    "test_sentences*",
    "test_unreadable*",
    "test_untrusted*",
    "test_validation*",
    "test_values*",
)
"""In tests/unit, and in tests/sdk, where the envelope has its tests."""
SENTENCE = re.compile(r'"[^"]+( [^" ]+){3,}"')
DIFFERENCE = re.compile(r"(?:^[-+].*\n)+", re.MULTILINE)
Change = tuple[str, ...]
"""The name of a function, then the lines without and with the mutation, without indentation."""


def main(names: list[str]) -> int:
    """Run the mutants with these names, or all; print those that survived and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with TemporaryDirectory(prefix="modelog-mutants-") as folder:
        os.chdir(folder)
        _copy(Path(folder))
        # CI makes Hypothesis draw the same examples each time.
        run = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1), *names]
        with (
            Path("mutmut.log").open("w") as log,
            subprocess.Popen(run, stdout=log, stderr=log, env={**os.environ, "CI": "1"}) as process,
        ):
            try:
                failed = process.wait() != 0
            finally:
                process.terminate()
        if failed:
            print("mutmut failed:", Path("mutmut.log").read_text()[-3000:])
            return 1
        mutants = dict(_mutants())
    explained = set(_explained(EXPLAINED.read_text()))
    survivors = {change: mutant for mutant, change in mutants.items() if change and not _is_prose(change)}
    for change in survivors.keys() - explained:
        print(survivors[change], *change[1:], sep="\n", end="\n\n")
    for function, *lines in set() if names else explained - survivors.keys():
        print(f"{EXPLAINED.name} explains a mutant of {function} that is killed, or is not there:", *lines, sep="\n")
    unexplained = len(survivors.keys() - explained)
    print(f"{len(mutants)} mutants, {len(survivors)} survived, {unexplained} of them without an explanation")
    return 1 if unexplained else 0


def _copy(folder: Path) -> None:
    """The checkout as mutmut wants it: every import root in the top folder, and its settings in pyproject.toml."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "sdk" / "src" / "modelog", folder / "modelog")
    tests = sorted(str(path.relative_to(ROOT)) for test in TESTS for path in ROOT.glob(f"tests/[us]*/{test}.py"))
    with (folder / "pyproject.toml").open("a") as settings:
        settings.write(
            f"""
[tool.mutmut]
source_paths = ["services", "shared", "modelog"]
only_mutate = {list(MUTATED)}
also_copy = {["tests", "stack", "operations"]}
pytest_add_cli_args_test_selection = {tests}
"""
        )


def _mutants() -> Iterator[tuple[str, Change | None]]:
    """The name of every mutant that ran, and its change where it survived; in the folder where mutmut ran."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant  # noqa: PLC0415  (it reads its settings when imported)

    listing = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    listed = subprocess.run(listing, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name, status in re.findall(r"^ +(\S+): (.+)$", listed, re.MULTILINE):
        if status in ("survived", "no tests", "suspicious"):
            difference = get_diff_for_mutant(name).partition("@@\n")[2]
            yield name, next(_changes(_function(name), difference))
        elif status != "not checked":
            yield name, None


def _function(mutant: str) -> str:
    """`a.b.xǁTypeǁmethod__mutmut_3` and `a.b.x_function__mutmut_3` are `a.b.Type.method` and `a.b.function`."""
    module, _, function = mutant.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{function[2:].replace('ǁ', '.')}"


def _changes(function: str, difference: str) -> Iterator[Change]:
    for change in DIFFERENCE.findall(difference + "\n"):
        yield function, *(f"{line[0]} {line[1:].strip()}" for line in change.splitlines())


def _explained(text: str) -> Iterator[Change]:
    """The changes in the file: a heading names the function, and each block has a change or several."""
    for function, section in re.findall(r"^### `([^`\n]+)`$(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL):
        for block in re.findall(r"^```diff\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
            for change in block.split("\n\n"):
                yield from _changes(function, change)


def _is_prose(change: Change) -> bool:
    """Whether it changes only the case of a text of four words or more, or the XX that mutmut puts around it."""
    before, after = (SENTENCE.sub(_plain, "".join(line[1:] for line in change[1:] if line[0] == sign)) for sign in "-+")
    return before == after


def _plain(sentence: re.Match[str]) -> str:
    return sentence.group().lower().replace("xx", "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
