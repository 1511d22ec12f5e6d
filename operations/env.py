"""Print a new `.env` for compose.yaml: random passwords, and the ports. It is printed once for an installation.

test -s .env || (umask 077 && docker run --rm modelog operations env > .env)
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping

PORTS = {"MODELOG_KAFKA_PORT": "9094", "MODELOG_POSTGRES_PORT": "5432", "MODELOG_S3_PORT": "8080"}
PASSWORDS = (
    "MODELOG_POSTGRES_OWNER_PASSWORD",
    "MODELOG_POSTGRES_PASSWORD",
    "MODELOG_POSTGRES_READER_PASSWORD",
    "MODELOG_S3_SECRET_KEY",
)
HEAD = """\
# modelog: the passwords and the ports, for compose.yaml in the same folder. Keep the file, and keep it secret.
# Never write a new one over it: Postgres keeps the passwords that it had at its first start, and refuses others.
"""


def new() -> dict[str, str]:
    """The variables that compose.yaml needs, with passwords that nobody had before."""
    return {name: secrets.token_urlsafe(24) for name in PASSWORDS} | {"MODELOG_S3_ACCESS_KEY": "modelog"} | PORTS


def dotenv(variables: Mapping[str, str]) -> str:
    """The text of a `.env` from which compose reads exactly these values, whatever characters they have."""
    return HEAD + "".join(f"{name}={quoted(value)}\n" for name, value in variables.items())


def quoted(value: str) -> str:
    """The value in double quotes. Compose has no other way to write every character."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def main() -> None:
    """Print the text, for a file that is not there yet."""
    argparse.ArgumentParser(
        prog="python -m operations env", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(dotenv(new()), end="")
