"""How the image is built: the same content makes the same image, and a document lists what is in it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.docker.image import ROOT, Image, docker, printed

pytestmark = pytest.mark.docker

INSTALLED = """
import json, platform
from importlib.metadata import distributions
print(json.dumps({"python": platform.python_version(), "pypi": {d.name: d.version for d in distributions()}}))
"""
DEBIAN = r"dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Version}\n'"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files of this checkout as another user's clone has them: other times and modes, no repository."""
    clone = tmp_path / "clone"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in files.stdout.splitlines():
        (clone / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(ROOT / name, clone / name)
        (clone / name).chmod(0o600)
    return clone


def test_two_builds_of_the_same_content_have_the_same_files(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, bytes, owners, modes and times, in a tar file that BuildKit sorts: a layer's order is up to the engine.

    Both without BuildKit's cache, which compares what files contain, not their times.
    """
    begin = time.monotonic()
    first, second = (digest_of_files(folder, tmp_path / "files.tar") for folder in (ROOT, checkout))
    seconds = (time.monotonic() - begin) / 2
    assert first == second
    with capsys.disabled():
        print(f"\nimage: built without a cache in {seconds:.0f} s")


def digest_of_files(folder: Path, target: Path) -> str:
    """The digest of all files of the image of this folder, built without a cache."""
    printed(docker("build", "--no-cache", "--quiet", "--output", f"type=tar,dest={target}", ".", folder=folder))
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    target.unlink()
    return found


def test_a_change_of_code_changes_the_last_layer_alone(image: Image, checkout: Path) -> None:
    for changed in ("services/__init__.py", "sdk/src/modelog/__init__.py"):
        with (checkout / changed).open("a") as file:
            file.write("\nCHANGED = True\n")
    name = printed(docker("build", "--quiet", ".", folder=checkout)).strip()
    before, after = (found.inspect()["RootFS"]["Layers"] for found in (image, Image(name)))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False, True]
    docker("image", "rm", name)


def test_the_list_of_contents_is_what_python_and_dpkg_have_in_the_image(image: Image, tmp_path: Path) -> None:
    made = subprocess.run(["make", "sbom", f"SBOM={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    printed(made)
    document = json.loads((tmp_path / "modelog.cdx.json").read_text())
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "modelog")
    listed = {part["purl"].partition("?")[0]: part for part in document["components"] if "purl" in part}

    installed = json.loads(image.python(INSTALLED))
    python = {f"pkg:pypi/{normal(name)}@{version}" for name, version in installed["pypi"].items()}
    debian = {
        f"pkg:deb/debian/{name}@{version}".replace("+", "%2B")
        for status, name, version in (line.split() for line in image.shell(DEBIAN).splitlines())
        if status == "installed"
    }
    assert listed.keys() == {f"pkg:generic/python@{installed['python']}"} | python | debian
    assert {"pkg:pypi/modelog@0.1.0"} < python
    assert [purl for purl in python if not listed[purl].get("licenses")] == []


def normal(name: str) -> str:
    """A package's name as package URLs have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_packages_come_from_the_index_that_a_secret_names(checkout: Path, variable: str) -> None:
    """An index that does not answer, so that the build fails there."""
    (checkout / "packages.env").write_text(
        f"{variable}=http://127.0.0.1:1/of-a-company/\nPIP_RETRIES=0\nUV_HTTP_RETRIES=0\n"
    )
    found = docker(
        "build", "--no-cache", "--target", "packages", "--secret", "id=packages.env,src=packages.env", ".",
        folder=checkout,
    )  # fmt: skip
    assert found.returncode != 0, found.stderr
    assert "/of-a-company/" in found.stderr
