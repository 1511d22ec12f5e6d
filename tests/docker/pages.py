"""The commands of a page, and a repository of this checkout to run them against."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.docker.checkouts import OTHERS, ROOT

FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> dict[str, list[str]]:
    """The blocks of a language below each heading of a page, both in their order."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^#+ ", page.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        matches = FENCED.finditer(body)
        if texts := [textwrap.dedent(match[3]) for match in matches if match[2] == language]:
            found[title] = texts
    return found


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a repository with the files of this checkout, for the time of the block.

    The files are in `folder`/checkout as well.
    """
    checkout, repository = folder / "checkout", folder / "served" / "modelog.git"
    shutil.copytree(ROOT, checkout, ignore=OTHERS)
    git = partial(subprocess.run, check=True, capture_output=True)
    git(["git", "init", "--quiet", "--initial-branch", "main"], cwd=checkout)
    git(["git", "add", "--all"], cwd=checkout)
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    git(["git", *author, "commit", "--quiet", "--message", "These files are tested"], cwd=checkout)
    git(["git", "clone", "--quiet", "--bare", str(checkout), str(repository)])
    git(["git", "update-server-info"], cwd=repository)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(repository.parent))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{repository.name}"
        finally:
            server.shutdown()
