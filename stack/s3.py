"""S3 from rclone, over a plain folder."""

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from stack import probes
from stack.secret import kept_secret
from stack.server import Server
from stack.terminal import StackError


class S3(Server):
    """An S3 endpoint whose buckets are folders."""

    name = "s3"

    @override
    def prepare(self) -> None:
        (self.home / "data").mkdir(exist_ok=True)

    @property
    def keys(self) -> tuple[str, str]:
        """Access key, secret key."""
        return "modelog", kept_secret(self.home / "secret")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @override
    def command(self) -> list[str]:
        program = Path(sysconfig.get_path("scripts"), "rclone")
        if not program.exists():
            raise StackError("rclone is not in this environment: run `make` to install it, or set MODELOG_S3_ENDPOINT.")
        return [str(program), "serve", "s3", "--addr", f"127.0.0.1:{self.port}", str(self.home / "data")]

    @override
    def env(self) -> Mapping[str, str]:
        return os.environ | {
            "RCLONE_AUTH_KEY": auth_key(*self.keys),
            "RCLONE_CONFIG": str(self.home / "rclone.conf"),
            "RCLONE_CACHE_DIR": str(self.home / "cache"),
        }

    @override
    def ask(self) -> None:
        probes.s3(self.endpoint, *self.keys)


def auth_key(access_key: str, secret_key: str) -> str:
    """The keys as rclone reads them from its environment, and not from arguments, which every user can read."""
    return f'"{access_key},{secret_key}"'  # an item of CSV
