"""Print compose.yaml, for a folder that has an image of modelog and no checkout.

docker run --rm modelog operations compose > compose.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path

FILE = Path(__file__).parents[1] / "compose.yaml"
BUILD = "    build: .\n"


def printed(text: str) -> str:
    """The file without the line that builds the image, which needs the checkout."""
    return text.replace(BUILD, "")


def main() -> None:
    """Print it."""
    argparse.ArgumentParser(
        prog="python -m operations compose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(printed(FILE.read_text("utf-8")), end="")
