"""scikit-learn takes seconds to import: one process imports it, and everybody who needs it is forked from that one.

It is asked over a Unix socket with a line of JSON, `{"argv": ["deployer", …], "env": {…}}`, and answers with what
`python -m examples.deployer …` prints.
"""

from __future__ import annotations

import json
import os
import sys
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer

from examples import deployer, monitor, pipeline

PLAYS = {"deployer": deployer.main, "monitor": monitor.main, "pipeline": pipeline.main}


class Play(StreamRequestHandler):
    """One of them, in a process of its own."""

    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        os.environ.update(asked["env"])
        os.dup2(self.connection.fileno(), sys.stdout.fileno())
        sys.argv = asked["argv"]
        PLAYS[sys.argv[0]]()
        sys.stdout.flush()


class ForkServer(ForkingMixIn, UnixStreamServer):
    """Forks for every request; whoever ends it ends its process group."""


if __name__ == "__main__":
    with ForkServer(sys.argv[1], Play) as fork_server:
        fork_server.serve_forever()
