"""Why no broker of Kafka can be used: aiokafka raises "Unable to bootstrap" for each cause, and only logs which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelog._kafka.brokers import partitions_of
from modelog.errors import AccessDenied, MissingTopic, NotConnected


async def kafka_problem(kafka: Mapping[str, Any]) -> str | None:
    """Ask the brokers that these arguments of a client name: a sentence when they do not serve it, None when they do.

    Takes at most the seconds that the SDK takes to connect.
    """
    try:
        await partitions_of(kafka, ())
    except (AccessDenied, MissingTopic, NotConnected) as error:
        return str(error)
    return None
