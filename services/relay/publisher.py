"""Publishing the log: page after page, each read while Kafka writes the page before it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

import structlog
from prometheus_client import Counter
from pydantic import JsonValue

from services.relay.fence import FencedProducer
from services.relay.holding import Holding
from services.relay.outgoing_batch import OutgoingBatch
from services.relay.page import PageSize, read_page
from services.relay.topic_watch import TopicWatch
from shared.bus.topics import FACTS
from shared.log import held_topics
from shared.log.cursors import save_position
from shared.log.follower import Leadership
from shared.log.following import Work

logger = structlog.get_logger()

RELAYED = Counter("modelog_relayed", "Facts acknowledged by Kafka", ["type"])
for _type in FACTS:
    RELAYED.labels(_type)

ACK_TIMEOUT_SECONDS = 10.0
"""For Kafka to acknowledge a page. Without this limit an idempotent producer waits for ever, and reports nothing."""
HELD_ACK_TIMEOUT_SECONDS = 2.0
"""For a held topic, while the others wait."""
HELD_POSITIONS = 20_000
"""Of the log that are searched for the facts of held topics, before it is the other topics' turn again."""


class Publisher(Work):
    """Sends facts, waits for Kafka's acknowledgements, and then saves its position.

    A topic that takes no facts is held: it gets a position of its own, and the publisher goes on with the others.
    """

    def __init__(
        self,
        leadership: Leadership,
        fence: FencedProducer,
        watch: TopicWatch,
        position: int,
        page_size: PageSize,
        holding: Holding,
    ) -> None:
        self.position = position
        self._connection = leadership.connection
        self._follower = leadership.follower
        self._topic_prefix = leadership.runtime.settings.topic_prefix
        self._fence = fence
        self._watch = watch
        self._page_size = page_size
        self._holding = holding
        self._looks = 0

    def has_more(self) -> bool:
        return self._looks != self._watch.looks or self._holding.is_due(self._watch.missing)

    def problem(self) -> str | None:
        return self._holding.problem()

    def state(self) -> dict[str, JsonValue]:
        return {"held": self._holding.state()}

    async def advance(self, upto: int) -> None:
        if self._fence.is_old:
            await self._fence.renew()
        try:
            if self._looks != self._watch.looks or self._watch.made_again:
                await self._look_at_topics()
            if upto > self.position:
                await self._publish(upto)
            if kinds := self._holding.next_kinds(self._watch.missing):
                await self._publish_held(kinds)
        except TimeoutError:
            self._page_size.late()
            raise

    async def _look_at_topics(self) -> None:
        """Hold the topics that are missing, and fill those from position 0 that have lost their records."""
        is_first, self._looks = self._looks == 0, self._watch.looks
        known = await held_topics.read_held(self._connection)
        to_hold = {kind: self.position for kind in self._watch.missing if kind not in known}
        made_again = set(self._watch.made_again)
        if self.position:
            if made_again:
                logger.warning("topics have lost their records, they are filled again", kinds=sorted(made_again))
            # When it begins, the relay does not know whether an empty topic had records: looking for facts tells.
            to_hold |= {kind: 0 for kind in self._watch.empty if is_first and kind not in known}
            to_hold |= dict.fromkeys(made_again, 0)
        await self._hold(to_hold)
        self._watch.made_again -= made_again
        self._holding.miss(self._watch.missing)
        self._watch.may_make(self._holding.topics)

    async def _hold(self, positions: dict[str, int]) -> None:
        if positions:
            await held_topics.hold(self._connection, positions)
        self._holding.read(await held_topics.read_held(self._connection))

    async def _publish(self, upto: int) -> None:
        page = await self._read(self.position, upto, without=self._holding.topics)
        while page.count:
            following = await self._send(page, upto)
            _count(page)
            if page.refused:
                await self._go_on_without(page)
                following = await self._read(page.last, upto, without=self._holding.topics)
            else:
                await save_position(self._connection, self._follower, page.last)
            self.position = page.last
            page = following
        if self.position < upto:
            # The last facts of the range may be of held topics, and its last positions of no facts: their transactions
            # were rolled back, or Postgres has crashed, which skips some.
            await save_position(self._connection, self._follower, upto)
        self.position = upto

    async def _go_on_without(self, page: OutgoingBatch) -> None:
        """Save the position behind this page, and hold the topics that have refused it."""
        async with self._connection.transaction():
            await self._hold(dict.fromkeys(page.refused, page.after))
            await save_position(self._connection, self._follower, page.last)
        self._holding.refuse(page.refused)
        await self._fence.renew()  # the producer has used sequence numbers for what was refused
        self._watch.may_make(self._holding.topics)

    async def _publish_held(self, kinds: Collection[str]) -> None:
        """Send the next facts of these kinds, whose topics are all at a position below that of the others."""
        held = [self._holding.topics[kind] for kind in kinds]
        self._watch.may_make(self._holding.topics.keys() - set(kinds))
        after, upto = held[0].position, min(self.position, held[0].position + HELD_POSITIONS)
        size = replace(self._page_size, max_facts=min(self._page_size.max_facts, *(topic.max_facts for topic in held)))
        page = await self._read(after, upto, size, only=kinds)
        if page.count:
            await self._send(page, None, HELD_ACK_TIMEOUT_SECONDS)
        took = [kind for kind in kinds if kind not in page.refused]
        last = page.last if page.is_full else upto
        await held_topics.advance(self._connection, took, after, last)
        _count(page)
        self._holding.took(took, page.counts())
        self._holding.refuse(page.refused)
        await self._hold({})
        if page.refused:
            await self._fence.renew()
        self._watch.may_make(self._holding.topics)

    async def _read(
        self,
        after: int,
        upto: int,
        size: PageSize | None = None,
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> OutgoingBatch:
        page = OutgoingBatch(self._fence.producer, self._topic_prefix, self._watch, after)
        return await read_page(self._connection, page, upto, size or self._page_size, only=only, without=without)

    async def _send(
        self, page: OutgoingBatch, upto: int | None, within_seconds: float = ACK_TIMEOUT_SECONDS
    ) -> OutgoingBatch:
        """Return the page behind this page up to `upto`, when the topics have acknowledged or refused this one."""
        following = page
        try:
            async with asyncio.timeout(within_seconds):
                page.send()
                if upto is not None:
                    following = await self._read(page.last, upto, without=self._holding.topics)
                await page.acknowledged()
                self._page_size.acknowledged()
        except TimeoutError:
            if not (page.unacknowledged() and self._watch.is_fresh):
                raise
            self._page_size.late()
            page.close(f"Kafka did not acknowledge within {within_seconds:g} s")
        finally:
            page.cancel()
        return following


def _count(page: OutgoingBatch) -> None:
    for kind, count in page.counts().items():
        RELAYED.labels(kind).inc(count)
