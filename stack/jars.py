"""Kafka's jars: fetched once by Maven coordinates, kept in the user's cache, and checked at each use."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from stack.cache import cache_directory, close_to_others, one_process_at_a_time
from stack.terminal import StackError, print_line

VERSION = "4.3.1"  # 4.4.0 is listed, but incomplete
COORDINATES = f"org.apache.kafka:kafka_2.13:{VERSION}+org.slf4j:slf4j-simple:1.7.36"  # without slf4j it logs nothing
DIGEST = "929899bc0205a413e019af82b4ea9cd72ca842beec55d2912c6e09780eb2d3d6"


def kafka_jars() -> list[Path]:
    """Kafka's jars, with the bytes that are expected; fetched now if this machine does not have them so."""
    folder = cache_directory() / f"kafka-{VERSION}-{DIGEST[:8]}"
    if jars := verified(folder):
        return jars
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with one_process_at_a_time(folder.with_name(f"{folder.name}.lock")):
            if not (jars := verified(folder)):
                fetch(folder)
                jars = verified(folder)
    except OSError as reason:
        raise StackError(f"{folder.parent} cannot store Kafka ({reason}): set MODELOG_CACHE.") from reason
    return jars


def verified(folder: Path) -> list[Path]:
    """The jars in this folder; none if any is missing, changed or added. Raise StackError if others can change them."""
    jars = sorted(folder.glob("*.jar"), key=lambda jar: jar.name)
    if not jars:
        return []
    # Before the bytes are read: nobody else can change them between this look and their use.
    for path in (folder.parent, folder, *jars):
        close_to_others(path)
    return jars if digest(jars) == DIGEST else []


def fetch(folder: Path) -> None:
    """Fetch the jars beside the folder, check their digest, and only then put them there."""
    if folder.exists():
        print_line(f"The jars in {folder} are not those that were stored there.")
    print_line(f"Fetching Kafka {VERSION} (45 MB, only this once) into {folder.parent}.")
    # The resolver takes files of a failed attempt for complete, so each attempt starts with an empty folder.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
        jars = resolve(Path(scratch))
        if digest(jars) != DIGEST:
            raise StackError(f"The {len(jars)} jars of Kafka {VERSION} do not have the expected digest: try again.")
        whole = Path(scratch, "whole")
        whole.mkdir()
        for jar in jars:
            shutil.move(jar, whole / jar.name)
        if folder.exists():
            folder.rename(Path(scratch, "changed"))
        whole.rename(folder)


def resolve(scratch: Path) -> list[Path]:
    """Let jgo fetch Kafka and all it needs."""
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    try:
        context = MavenContext(repo_cache=scratch / "repository")
        builder = EnvironmentBuilder(context, scratch / "environment", LinkStrategy.HARD)
        builder.from_endpoint(COORDINATES, main_class="kafka.Kafka")
    except Exception as reason:
        raise StackError(
            f"Kafka {VERSION} could not be fetched ({short(reason)}). The first use needs the network; try again, "
            "or set MODELOG_KAFKA_SERVERS, MODELOG_POSTGRES_URL and MODELOG_S3_ENDPOINT."
        ) from reason
    return sorted((scratch / "environment").rglob("*.jar"), key=lambda jar: jar.name)


def digest(jars: Iterable[Path]) -> str:
    """The digest of the names and the bytes of all jars."""
    lines = (f"{jar.name} {hashlib.sha256(jar.read_bytes()).hexdigest()}\n" for jar in jars)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def short(reason: Exception) -> str:
    """The reason in a single line of at most 200 characters."""
    return " ".join(f"{type(reason).__name__}: {reason}".split())[:200]
