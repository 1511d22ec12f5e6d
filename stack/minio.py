"""MinIO's server, for `make test-minio` alone: what rclone's S3 cannot do, as regions, temporary keys and TLS.

It is licensed under the AGPL: it is built from its source into the cache, run as a program, and never shipped.
"""

import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from typing_extensions import override

from stack.cache import cache_directory, close_to_others, one_process_at_a_time
from stack.certificates import kept_certificates
from stack.secret import kept_secret, write_privately
from stack.server import Server
from stack.terminal import StackError, print_line

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
MODULE = f"github.com/minio/minio@{VERSION}"
ACCESS_KEY = "modelog"
END_OF_KEY = "-----END PRIVATE KEY-----\n"


def program() -> Path:
    """Where the program is once it is built."""
    return cache_directory() / f"minio-{VERSION.split('-')[1]}" / "minio"


def build() -> Path:
    """The program, built now if this machine does not have it yet; Go compares the source with its checksum."""
    built = program()
    built.parent.mkdir(parents=True, exist_ok=True)
    with one_process_at_a_time(built.with_name("lock")):
        if built.exists():
            return built
        if (go := shutil.which("go")) is None:
            raise StackError("MinIO's server is built with Go, which is not here: install it from https://go.dev/dl.")
        print_line(f"Building {MODULE} into {built.parent} (6 minutes, only this once).")
        with tempfile.TemporaryDirectory(dir=built.parent, prefix="building-") as scratch:
            done = subprocess.run([go, "install", MODULE], env=os.environ | {"GOBIN": scratch}, check=False)
            if done.returncode:
                raise StackError("MinIO's server could not be built, see above. The first use needs the network.")
            Path(scratch, "minio").rename(built)
    return built


class Minio(Server):
    """An S3 endpoint with TLS, in a region of its own."""

    name = "minio"

    def __init__(self, home: Path, *, erase: bool, region: str) -> None:
        super().__init__(home, erase=erase)
        self.region = region

    @property
    def authority(self) -> Path:
        """The certificate that clients trust."""
        return kept_certificates(self.home / "tls").authority

    @property
    def keys(self) -> tuple[str, str]:
        """Access key, secret key, of the root user."""
        return ACCESS_KEY, kept_secret(self.home / "secret")

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @override
    def prepare(self) -> None:
        for name in ("data", "certificates"):
            (self.home / name).mkdir(exist_ok=True)
        key, end, chain = kept_certificates(self.home / "tls").server.read_text().partition(END_OF_KEY)
        write_privately(self.home / "certificates" / "private.key", key + end)
        write_privately(self.home / "certificates" / "public.crt", chain)

    @override
    def command(self) -> list[str]:
        close_to_others(program())
        where = ["--address", f"127.0.0.1:{self.port}", "--certs-dir", str(self.home / "certificates")]
        return [str(program()), "server", "--quiet", *where, str(self.home / "data")]

    @override
    def env(self) -> Mapping[str, str]:
        return os.environ | {
            "MINIO_ROOT_USER": self.keys[0],
            "MINIO_ROOT_PASSWORD": self.keys[1],
            "MINIO_SITE_REGION": self.region,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    @override
    def ask(self) -> None:
        trusted = ssl.create_default_context(cafile=self.authority)
        urlopen(f"{self.endpoint}/minio/health/ready", context=trusted, timeout=2).close()
