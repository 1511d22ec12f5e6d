"""Where the bytes of a run may be."""

from __future__ import annotations

import re

from modelog.events import Event, ModelTrained

S3_URI = re.compile(r"s3://[^/]+(/.*)?", re.DOTALL)


def check_addresses(event: Event) -> None:
    """Raise ValueError if modelog cannot read the bytes of a run, because their address is of no known kind."""
    uri = event.artifact.uri if isinstance(event, ModelTrained) else None
    if uri is not None and not S3_URI.fullmatch(uri):
        raise ValueError(
            f"expected s3://bucket/prefix, found {uri[:200]!r}: copy the files to a bucket that modelog reads, or "
            "upload them, as registry.trained(files=…) does"
        )
