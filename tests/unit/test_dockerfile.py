"""The Dockerfile and what is sent to its build, as far as they can be held to a rule without Docker."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_what_the_dockerfile_copies_is_sent_to_its_build() -> None:
    lines = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match("COPY (?!--)", line)]
    copied = {part.partition("/")[0] for parts in lines for part in parts}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"shared", "services", "operations", "sdk"} <= copied
    assert copied == sent


def test_an_image_built_without_make_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nARG VERSION={project['version']}\n" in DOCKERFILE


def test_the_images_that_a_build_begins_with_are_named_by_an_argument_alone() -> None:
    """So that a digest or a mirror's name can be given; a syntax line would make BuildKit ask a registry too."""
    begins = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", DOCKERFILE, re.MULTILINE)
    stages = {name for _, name in begins}
    assert {image for image, _ in begins} - stages == {"${PYTHON}", "scratch"}
    assert not DOCKERFILE.startswith("# syntax")
