"""Random passwords."""

import secrets
from pathlib import Path


def kept_secret(file: Path) -> str:
    """The secret in this file, made when there is none yet; readable by its owner only."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()
