"""`make psql`: a prompt of Postgres with the login that may only read."""

import os
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from stack.addresses import Addresses
from stack.checkout import ENV, read_env
from stack.postgres import program, wheel
from stack.terminal import StackError


def psql(arguments: list[str]) -> NoReturn:
    """Become psql, connected to the registry that `make up` started; `arguments` go to it unchanged."""
    if not ENV.exists():
        raise StackError("Nothing runs that `make up` started: run `make up` first.")
    addresses = Addresses.from_env(read_env())
    url = urlsplit(addresses.postgres_reader or addresses.postgres)
    # Not as an argument, which every user of the machine can read.
    env = os.environ | {"PGPASSWORD": unquote(url.password or ""), "PGCONNECT_TIMEOUT": "5"}
    where = url._replace(netloc=url.netloc.replace(f":{url.password}@", "@")).geturl()
    os.execve(program("psql", wheel()), ["psql", "--dbname", where, *arguments], env)
