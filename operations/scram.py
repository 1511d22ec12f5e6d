"""What Postgres keeps of a password: a SCRAM-SHA-256 verifier, made here, so that no statement has the password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from base64 import b64encode

ITERATIONS = 4096
"""As Postgres has it by default: clients compute as many at each connection."""
SALT_BYTES = 16
PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def verifier(password: str) -> str:
    """The verifier of RFC 5803, as `create role … password` takes it, with a random salt."""
    salt = secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def prepared(password: str) -> str:
    """The password as clients of Postgres use it: by SASLprep (RFC 4013), or as it is where that prohibits it."""
    if password.isascii():
        return password
    mapped = (" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    found = unicodedata.normalize("NFKC", "".join(mapped))
    prohibited = any(table(c) for c in found for table in PROHIBITED)
    return password if prohibited or not found or not _has_one_direction(found) else found


def _has_one_direction(text: str) -> bool:
    if not any(map(stringprep.in_table_d1, text)):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(map(stringprep.in_table_d2, text))


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
