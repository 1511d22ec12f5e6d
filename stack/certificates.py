"""A certificate for servers of this machine, and the authority that signed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Certificates:
    """PEM files; the key of the authority is kept nowhere, so nothing else is ever signed by it."""

    authority: Path
    """What clients trust."""
    server: Path
    """The server's key, as PKCS 8, and its chain, in one file; readable by its owner only."""


def kept_certificates(folder: Path, names: Sequence[str] = NAMES) -> Certificates:
    """The certificates in this folder, made when there are none yet, for a server with these names."""
    found = Certificates(folder / "ca.pem", folder / "server.pem")
    if not found.authority.exists():
        folder.mkdir(exist_ok=True)
        _make(found, names)
    return found


def _make(files: Certificates, names: Sequence[str]) -> None:
    import trustme
    from cryptography.hazmat.primitives import serialization

    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files.server.touch(mode=0o600)
    files.server.write_bytes(key + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(str(files.authority))  # last: where it is, the other is whole
