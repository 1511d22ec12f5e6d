"""The ground to stand on, wherever it comes from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.addresses import Addresses
from stack.selection import choose
from stack.servers import Servers


@contextmanager
def running(directory: Path | None = None) -> Iterator[Addresses]:
    """Have Kafka, Postgres and S3 answering: those the environment names, else Docker's, else this machine's own.

    What this machine runs by itself keeps its data in `directory`; without one it uses a fresh folder and deletes it.
    """
    match choose(os.environ):
        case "given":
            yield Addresses.from_env(os.environ)
        case "docker":
            from stack.containers import containers

            with containers() as addresses:
                yield addresses
        case "native":
            with Servers(directory) as servers:
                yield servers.addresses
