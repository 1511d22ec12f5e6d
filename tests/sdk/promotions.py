"""Promotions as they come from Kafka."""

from __future__ import annotations

from modelog import Message, ModelPromoted

DIGEST = "sha256:" + "0" * 64


def promoted(
    sequence: int, *, version: int = 1, stage: str = "production", leaves: str = "development", model: str = "fraud"
) -> Message[ModelPromoted]:
    event = ModelPromoted(
        model=model,
        version=version,
        stage=stage,
        leaves=leaves,
        by="policy",
        manifest=DIGEST,
        uri="s3://m",
        policy=DIGEST,
    )
    return Message(event, str(sequence), "modelog", sequence=sequence)
