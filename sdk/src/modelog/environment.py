"""The variables MODELOG_*: those of the process, and those that `make up` wrote into the checkout's `.modelog/env`."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

FILE = Path(".modelog", "env")
SERVERS = "MODELOG_KAFKA_SERVERS"
MAX_ENV_FILE_BYTES = 64 * 1024
MAX_SECRET_BYTES = 64 * 1024

SECRETS = (
    "MODELOG_KAFKA_PASSWORD",
    "MODELOG_KAFKA_KEY_PASSWORD",
    "MODELOG_KAFKA_OAUTH_CLIENT_SECRET",
    "MODELOG_S3_ACCESS_KEY",
    "MODELOG_S3_SECRET_KEY",
    "MODELOG_S3_SESSION_TOKEN",
    "MODELOG_POSTGRES_URL",
    "MODELOG_POSTGRES_PASSWORD",
    "MODELOG_POSTGRES_OWNER_URL",
    "MODELOG_POSTGRES_OWNER_PASSWORD",
    "MODELOG_POSTGRES_READER_URL",
    "MODELOG_POSTGRES_READER_PASSWORD",
    "MODELOG_SNAPSHOT_KEY",
)
"""Each may be in a file, which the variable of its name with `_FILE` names."""
KEPT_IN_A_FILE = ("MODELOG_KAFKA_TOKEN",)
"""The same, but the file is read whenever Kafka asks for the token, because it expires."""


def variables(start: Path | None = None) -> dict[str, str]:
    """The variables MODELOG_* of this process; without servers among them, those of `.modelog/env` are added.

    That file is looked for in `start`, which is the working folder, and in the folders above it. It belongs to this
    user, or it is not read. A secret that is in a file of its own is read, as `with_secrets` does.
    """
    own = exported()
    file = None if own.get(SERVERS) else find(start)
    return own if file is None else {**with_secrets(read(file)), **own}


def exported() -> dict[str, str]:
    """The variables MODELOG_* of this process, with the secrets that are in files."""
    own = {name: value for name, value in os.environ.items() if name.startswith("MODELOG_") and value}
    return with_secrets(own)


def with_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, with the content of the files that `MODELOG_…_FILE` name for secrets, without the last newline.

    Raise ValueError, in a sentence without the secret and without the path, if a secret and its file are both set, and
    if a file cannot be read.
    """
    found = dict(variables)
    for name in (*SECRETS, *KEPT_IN_A_FILE):
        in_file = f"{name}_FILE"
        if not found.get(in_file):
            found.pop(in_file, None)
        elif found.get(name):
            raise ValueError(f"expected {name} or {in_file}, found both: unset either of them")
        elif name in SECRETS:
            found[name] = _secret(in_file, Path(found.pop(in_file)))
    return found


def _secret(variable: str, file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1).decode()
    except (OSError, ValueError) as error:
        # Whoever puts the secret itself into the variable finds no path in the sentence.
        problem = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise ValueError(f"expected {variable} to name a file with a secret, found {problem}: check the path") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"expected at most {MAX_SECRET_BYTES} bytes in the file of {variable}, found more")
    secret = content[:-1].removesuffix("\r") if content.endswith("\n") else content
    if not secret:
        raise ValueError(f"expected a secret in the file that {variable} names, found it empty: write the secret there")
    return secret


def find(start: Path | None = None) -> Path | None:
    """The nearest `.modelog/env` in `start` and the folders above it that belongs to this user."""
    try:
        folder = (start or Path.cwd()).absolute()
    except OSError:  # the working folder was deleted
        return None
    return next((file for above in (folder, *folder.parents) if _is_own(file := above / FILE)), None)


def _is_own(file: Path) -> bool:
    try:
        found = file.stat()
    except OSError:
        return False
    is_own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return stat.S_ISREG(found.st_mode) and is_own


def read(file: Path) -> dict[str, str]:
    """The variables MODELOG_* in lines KEY=VALUE, also with `export` before them and quotes around the value."""
    with file.open("rb") as stream:
        text = stream.read(MAX_ENV_FILE_BYTES).decode(errors="replace")
    pairs = (line.strip().removeprefix("export ").partition("=") for line in text.splitlines())
    return {name.strip(): _unquoted(value.strip()) for name, _, value in pairs if name.startswith("MODELOG_") and value}


def _unquoted(value: str) -> str:
    if value[:1] not in ("'", '"'):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 else value


def origin(servers: str) -> str:
    """Who named these servers, for the sentence of an error: a shell keeps addresses that are no longer right."""
    file = find()
    local = None if file is None else read(file).get(SERVERS)
    if servers == os.environ.get(SERVERS):
        if local is not None and local != servers:
            return f"{SERVERS} in your shell is {servers}, {file} has {local}: unset {SERVERS}"
        return f"{SERVERS} of the environment names them"
    return f"{file} names them" if servers == local else ""
