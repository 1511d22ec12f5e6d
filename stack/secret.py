"""Files that only their owner reads, and random passwords in such files."""

import os
import secrets
from pathlib import Path


def write_privately(file: Path, text: str) -> None:
    """Write a whole file at once, readable by its owner only."""
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(file)


def kept_secret(file: Path) -> str:
    """The secret in this file, made when there is none yet."""
    if not file.exists():
        write_privately(file, secrets.token_urlsafe(24))
    return file.read_text()
