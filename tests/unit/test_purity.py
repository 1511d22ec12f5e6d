"""Decisions are pure: what a decision imports is on a short list, and so is what that imports."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = ("modelog", "shared.domain", "immutables", "pydantic", *sys.stdlib_module_names)


def imports(module: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def pure_modules() -> Iterator[Path]:
    """The decisions, the modules of their own folder that they import, and shared.domain."""
    waiting, seen = [*ROOT.glob("services/*/decision.py"), *ROOT.glob("shared/domain/*.py")], set[Path]()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            yield module
            own = f"services.{module.parent.name}."
            waiting += [ROOT / f"{name.replace('.', '/')}.py" for name in imports(module) if name.startswith(own)]


@pytest.mark.parametrize("module", sorted(pure_modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_decision_imports_only_what_is_pure(module: Path) -> None:
    own = f"services.{module.parent.name}"
    allowed = (*ALLOWED, own) if module.is_relative_to(ROOT / "services") else ALLOWED
    found = [name for name in imports(module) if not any(f"{name}.".startswith(f"{part}.") for part in allowed)]
    assert not found, f"{module} may import {', '.join(ALLOWED[:4])} and the standard library"


def test_there_is_a_decision_in_each_deciding_service() -> None:
    decisions = {path.parent.name for path in pure_modules() if path.name == "decision.py"}
    assert {"ingestion", "validation", "promotion", "retraining", "retirement"} <= decisions
