"""Sending parked records again: only what is on a topic of reports or requests now, as it is there."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from modelog.events import BY_TYPE, Fact

from operations.parked_list import NOT_SENT
from shared.bus.originals import Originals
from shared.bus.parked_records import Place, digest_of

WAITING = f"""
select digest from log.parked p where topic = $1 and partition = $2 and "offset" = $3 and service = $4 and {NOT_SENT}
"""
MARK = """
insert into log.parked_sent (topic, partition, "offset", service, digest) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""


class NotSent(Exception):
    """Why a record is not sent again, as a sentence."""


@dataclass(frozen=True)
class Resender:
    """Compares parked records with their originals and sends the originals again. `connection` is the owner's."""

    connection: asyncpg.Connection
    kafka: Originals
    producer: AIOKafkaProducer
    topic_prefix: str

    async def send(self, place: Place) -> None:
        """Send the record of this place again, to its partition, and remember that; raise NotSent."""
        type = BY_TYPE.get(place.topic.removeprefix(self.topic_prefix))
        if type is None or issubclass(type, Fact) or not place.topic.startswith(self.topic_prefix):
            raise NotSent(f"{place.topic} is no topic of reports or requests of this registry")
        where = (place.topic, place.partition, place.offset, place.service)
        digests = [digest for (digest,) in await self.connection.fetch(WAITING, *where)]
        if not digests:
            raise NotSent("nothing is parked under this id, or it was sent again")
        original = await self.kafka.read(place.topic_partition, place.offset)
        if original is None:
            raise NotSent(f"{place.topic} does not have the record any more, or it cannot be read")
        digest = digest_of(original.key, original.value, original.headers)
        if digest not in digests and None not in digests:
            raise NotSent(f"{place.topic} has another record there than the record that was parked")
        # The client refuses to send neither key nor value.
        value = b"" if original.key is None and original.value is None else original.value
        try:
            await self.producer.send_and_wait(
                place.topic, value, key=original.key, partition=place.partition, headers=list(original.headers)
            )
        except MessageSizeTooLargeError as error:
            raise NotSent(f"{place.topic} does not take a record of this size any more") from error
        await self.connection.execute(MARK, *where, digest)
