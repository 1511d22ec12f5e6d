"""The epoch of the log, raised after commits were lost: positions are given out again, and facts are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

LAST = "select position, at from log.event order by position desc limit 1"
EPOCH = "select epoch, after_position from log.epoch order by epoch desc limit 1"
RAISE = "insert into log.epoch (epoch, after_position) values ($1, $2)"
# A dump that was taken while services ran may have a counter that is behind its facts.
COUNTER = """
select setval('log.position', $1) where coalesce(pg_sequence_last_value('log.position'), 0) < $1 and $1 > 0
"""
FIRST_EPOCH = 1
MAX_EPOCHS_AHEAD = 1000
"""An epoch on Kafka that is further ahead of the log was written by a stranger."""


@dataclass(frozen=True)
class End:
    """The last fact of the log: its position, 0 if there is none, and its time; and the epoch that the log is in."""

    position: int
    at: datetime | None
    epoch: int
    epoch_after: int

    @classmethod
    async def of(cls, connection: asyncpg.Connection) -> End:
        last = await connection.fetchrow(LAST)
        epoch = await connection.fetchrow(EPOCH)
        return cls(last["position"] if last else 0, last["at"] if last else None, *epoch)

    def is_plausible(self, epoch: int) -> bool:
        """Whether a restored log can be so far behind."""
        return epoch <= self.epoch + MAX_EPOCHS_AHEAD

    def next_epoch(self, published: int) -> int | None:
        """The epoch of the facts to come, when Kafka has facts up to the epoch `published`.

        None if it has begun: it was raised at this end of the log, and no fact was published in it.
        """
        begun = self.epoch > FIRST_EPOCH and self.epoch_after == self.position and published < self.epoch
        return None if begun else max(self.epoch, published) + 1


async def raise_epoch(connection: asyncpg.Connection, end: End, epoch: int) -> None:
    """Begin this epoch behind the end of the log. `connection` is the owner's."""
    async with connection.transaction():
        await connection.execute(COUNTER, end.position)
        await connection.execute(RAISE, epoch, end.position)
