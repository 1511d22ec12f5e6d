"""How the image is built: the same content makes the same image, and a document lists what is in it."""

from __future__ import annotations

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
    """The files of this checkout as another user's clone has them: other dates and modes, no repository."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in files.stdout.splitlines():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(ROOT / name, tmp_path / name)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_two_builds_of_the_same_content_are_the_same_image(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both without BuildKit's cache, which compares what files contain, not their times."""
    begin = time.monotonic()
    built = [Image(build_anew(folder)) for folder in (ROOT, checkout)]
    seconds = (time.monotonic() - begin) / 2
    first, second = (found.inspect() for found in built)
    assert first["RootFS"]["Layers"] == second["RootFS"]["Layers"]
    assert first["Id"] == second["Id"]
    with capsys.disabled():
        print(f"\nimage: {first['Size'] / 1e6:.0f} MB, built without a cache in {seconds:.0f} s")
    docker("image", "rm", first["Id"])


def build_anew(folder: Path) -> str:
    """The id of the image of this folder, built without a cache; its own time is that of its files."""
    options = ("--no-cache", "--quiet", "--build-arg", "SOURCE_DATE_EPOCH=315532800")
    return printed(docker("build", *options, ".", folder=folder)).strip()


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
