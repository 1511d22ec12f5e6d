"""What is in the image, what is not, and as whom it runs."""

from __future__ import annotations

import re
import subprocess

import pytest

from services import names
from tests.docker.image import BOUND, ROOT, Image, printed

pytestmark = pytest.mark.docker

TOOLS = ["pip", "pip3", "uv", "gcc", "cc", "c++", "ld", "make", "git", "curl", "wget", "python3-config"]
MODULES = ["pip", "ensurepip", "setuptools", "wheel", "uv", "hatchling", "pytest", "idlelib", "tkinter"]
FILES_OF_PACKAGES = """
import base64, hashlib
from importlib.metadata import distributions
for package in distributions():
    for file in package.files:
        if file.hash is None:
            continue
        digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            print(file)
print(len(list(distributions())), "packages")
"""
BYTECODE = """
import importlib.util, pathlib, sysconfig
for folder in ("/modelog", "/venv/lib", sysconfig.get_path("stdlib")):
    for source in pathlib.Path(folder).rglob("*.py"):
        compiled = pathlib.Path(importlib.util.cache_from_source(source))
        flags = compiled.read_bytes()[4:8] if compiled.exists() else b""
        if flags != b"\\1\\0\\0\\0":
            print(source)
print("all seen")
"""
IMPORTS = "import services; print([services.component(name).name for name in services.names()])"


def test_a_container_is_a_user_with_a_number_who_may_write_only_where_objects_are_copied(image: Image) -> None:
    assert image.inspect()["Config"]["User"] == "10001:10001"
    assert image.shell("id -u; id -g; id -nu") == "10001\n10001\nmodelog\n"
    found = image.run("-c", "find / -xdev -writable ! -type l", options=("--entrypoint", "sh"))
    may_write = {path for path in found.stdout.split() if not path.startswith(("/dev", "/proc"))}
    assert "/var/spool/modelog" in may_write
    assert may_write <= {"/var/spool/modelog", "/tmp", "/var/tmp", "/run/lock"}


def test_nothing_in_the_image_installs_or_builds(image: Image) -> None:
    assert image.shell(f"for tool in {' '.join(TOOLS)}; do command -v $tool || true; done") == ""
    assert image.run("-c", "find /usr -name Python.h", options=("--entrypoint", "sh")).stdout == ""
    code = f"import importlib.util as u; print([name for name in {MODULES} if u.find_spec(name)])"
    for executable in ("python", image.python("import sys; print(sys._base_executable)").strip()):
        assert image.python(code, executable=executable) == "[]\n"


def test_no_program_gives_the_rights_of_its_owner(image: Image) -> None:
    found = image.run("-c", "find / -xdev -type f -perm /6000", options=("--user", "0", "--entrypoint", "sh"))
    assert printed(found) == ""


def test_every_file_of_a_package_is_as_its_wheel_lists_it(image: Image) -> None:
    count, word = image.python(FILES_OF_PACKAGES).split()
    assert word == "packages"
    assert int(count) > 30


def test_a_program_of_others_finds_the_sdk_from_any_folder(image: Image) -> None:
    options = (*BOUND, "--workdir", "/tmp", "--entrypoint", "python")
    assert printed(image.run("-c", "import modelog; print(modelog.__file__)", options=options)).startswith("/modelog/")


def test_every_source_has_bytecode_that_needs_no_date(image: Image) -> None:
    assert image.python(BYTECODE) == "all seen\n"


def test_a_service_that_starts_compiles_nothing(image: Image) -> None:
    found = image.run("-v", "-c", IMPORTS, options=(*BOUND, "--entrypoint", "python"))
    assert printed(found) == f"{names()}\n"
    loaded = re.findall(r"^# code object from '?([^'\n]*)", found.stderr, re.MULTILINE)
    assert len(loaded) > 500
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_the_image_says_what_it_is(image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in image.labels().items()}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert labels.keys() == {"title", "description", "licenses", "version", "revision", "created", "base.name"}
    assert labels["revision"].removesuffix("-dirty") == commit.stdout.strip()
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.name"].startswith("python:3.")
    assert labels["created"] == image.inspect()["Created"]
    with capsys.disabled():
        print(f"\nimage: {image.inspect()['Size'] / 1e6:.0f} MB")
