"""Passwords drawn by chance."""

import secrets
from pathlib import Path


def kept_secret(file: Path) -> str:
    """The secret in this file, drawn when there is none yet; for its owner's eyes only."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()
