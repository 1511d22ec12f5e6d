"""`python -m tests.docker COMMAND …`: run a command where a Docker engine answers and has the images of compose.yaml.

Prints which images are stand-ins, because they could not be pulled. Ends with the command's status.
"""

from __future__ import annotations

import os
import subprocess
import sys

from stack.terminal import StackError, print_line
from tests.docker.engine import engine
from tests.docker.standins import make_stand_ins


def main(command: list[str]) -> int:
    try:
        with engine() as variables:
            os.environ.update(variables)
            for image in make_stand_ins(allowed=bool(variables)):
                print_line(f"Stand-in: {image} is made of packages.")
            return subprocess.run(command, check=False).returncode
    except StackError as error:
        print_line(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
