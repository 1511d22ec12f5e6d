"""Stand-ins for images that the engine neither has nor can pull: for tests alone, made from packages, and named.

They behave as the real images do in what compose.yaml and the tests use of them: programs of the same version, the
same environment, user, folders and entry point. What differs is the system around them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from stack.jars import kafka_jars
from stack.postgres import wheel
from stack.terminal import StackError, print_line
from tests.docker.programs import packages, quietly

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "images"
DEBIAN = "modelog-tests/debian:trixie"
LABEL = "modelog.stand-in"
PULL_SECONDS = 600


def images() -> Mapping[str, str]:
    """The images of others that our files name, each with the folder of its stand-in."""
    text = "\n".join((ROOT / name).read_text() for name in ("compose.yaml", "Dockerfile"))
    named = re.findall(r"(?:image: |FROM |=)([a-z][\w./-]*:[\w.-]*\w)", text)
    folders = ((image, image.partition(":")[0].rpartition("/")[2]) for image in named)
    return {image: folder for image, folder in folders if (FOLDER / folder / "Dockerfile").exists()}


def make_stand_ins() -> list[str]:
    """Pull each image, or make its stand-in, again where its files have changed; return the names of the stand-ins."""
    made = {image: folder for image, folder in images().items() if _is_stand_in(image) or not can_pull(image)}
    for image, folder in made.items():
        _make(image, folder)
    return list(made)


def can_pull(image: str) -> bool:
    """Whether the engine has this image, or gets it from its registry now."""
    if _asked("image", "inspect", image):
        return True
    print_line(f"Pulling {image}.")
    return _asked("pull", "--quiet", image)


def _is_stand_in(image: str) -> bool:
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", label, image], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stdout.strip() not in ("", "<no value>")


def _make(image: str, folder: str) -> None:
    if not _asked("image", "inspect", DEBIAN):
        _make_debian()
    print_line(f"{image} cannot be pulled: making a stand-in for the tests.")
    contexts = [text for name, path in _contexts(folder) for text in ("--build-context", f"{name}={path}")]
    labelled = ["--label", f"{LABEL}={image}", "--tag", image]
    quietly("docker", "build", "--quiet", *contexts, *labelled, str(FOLDER / folder))


def _contexts(folder: str) -> Iterator[tuple[str, Path]]:
    """Files of this machine that a stand-in is made of."""
    if folder == "kafka":
        yield "jars", kafka_jars()[0].parent
    if folder == "postgres":
        package = wheel()
        yield "package", package
        yield "libraries", package.with_name(f"{package.name}.libs")
    if folder == "rclone":
        yield "programs", ROOT / ".venv" / "bin"


def _make_debian() -> None:
    """Debian from packages, with the certificates that this machine trusts, for packages behind a mirror."""
    if not shutil.which("debootstrap"):
        packages("debootstrap")
    site = quietly("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian").split()[0]
    print_line("Making Debian's base system (a minute, only this once).")
    with tempfile.TemporaryDirectory(prefix="debian-") as scratch:
        quietly("debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie", scratch, site)
        trusted = Path("/etc/ssl/certs/ca-certificates.crt")
        shutil.copy(trusted, Path(scratch, *trusted.parts[1:]))
        settings = [f"ENV {name}={trusted}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
        changes = [text for setting in settings for text in ("--change", setting)]
        archive = subprocess.Popen(["tar", "--directory", scratch, "--create", "."], stdout=subprocess.PIPE)
        done = subprocess.run(
            ["docker", "import", *changes, "-", DEBIAN], stdin=archive.stdout, capture_output=True, check=False
        )
        if archive.wait() or done.returncode:
            raise StackError(f"Debian could not be imported: {done.stderr.decode()[-600:]}")


def _asked(*command: str) -> bool:
    done = subprocess.run(["docker", *command], capture_output=True, check=False, timeout=PULL_SECONDS)
    return done.returncode == 0
