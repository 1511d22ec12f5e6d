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


def make_stand_ins(*, allowed: bool) -> list[str]:
    """Pull each image that the engine lacks, or make its stand-in, again where its files have changed; return those.

    In a person's own engine (not `allowed`) nothing is made, because it would be used for the real image later:
    raise StackError with the reason of the pull.
    """
    made = []
    for image, folder in images().items():
        if _has(image) and not _is_stand_in(image):
            continue
        if problem := pull(image):
            if not allowed:
                raise StackError(f"{image} could not be pulled: {problem}.")
            _make(image, folder)
            made.append(image)
    return made


def pull(image: str) -> str:
    """Let the engine get this image from its registry; "" where it did, else the reason."""
    print_line(f"Pulling {image}.")
    command = ["docker", "pull", "--quiet", image]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"nothing came within {PULL_SECONDS} s"
    return (done.stderr.strip() or "no reason was printed").rstrip(".") if done.returncode else ""


def can_have(image: str) -> bool:
    """Whether the engine has this image, or gets it from its registry now."""
    return _has(image) or not pull(image)


def _has(image: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


def _is_stand_in(image: str) -> bool:
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    return quietly("docker", "image", "inspect", "--format", label, image).strip() not in ("", "<no value>")


def _make(image: str, folder: str) -> None:
    if not _has(DEBIAN):
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
    sites = quietly("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian").split()
    if not sites:
        raise StackError("Stand-ins for images are made of Debian's packages, and this machine does not know Debian.")
    print_line("Making Debian's base system (a minute, only this once).")
    with tempfile.TemporaryDirectory(prefix="debian-") as scratch:
        quietly("debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie", scratch, sites[0])
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
