"""scikit-learn takes seconds to import: this process imports it once, and each example is a fork of it.

A request over its Unix socket is a line of JSON, `{"argv": ["deployer", …], "env": {…}}`; the answer is what
`python -m examples.deployer …` prints.
"""

from __future__ import annotations

import json
import os
import sys
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer

from examples import deployer, monitor, pipeline

EXAMPLES = {"deployer": deployer.main, "monitor": monitor.main, "pipeline": pipeline.main}


class RunExample(StreamRequestHandler):
    """Runs an example in the fork."""

    def handle(self) -> None:
        request = json.loads(self.rfile.readline())
        os.environ.update(request["env"])
        os.dup2(self.connection.fileno(), sys.stdout.fileno())
        sys.argv = request["argv"]
        EXAMPLES[sys.argv[0]]()
        sys.stdout.flush()


class ForkServer(ForkingMixIn, UnixStreamServer):
    """Forks for every request; a signal to its process group ends the forks too."""


if __name__ == "__main__":
    with ForkServer(sys.argv[1], RunExample) as fork_server:
        fork_server.serve_forever()
