"""Whether the store answers our requests: for the readiness of the services that need it."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from threading import Thread

from modelog.store import Store, Unavailable

CHECK_SECONDS = 5.0
"""The answer to a check is given for so long before the store is asked again."""
ANSWER_SECONDS = 3.0
"""A store that has not answered a check by then is reported as silent; the check goes on."""
REFUSED = (401, 403)


class StoreCheck:
    """Asks the store for its bucket, in a thread of its own, so that it waits for no bytes and no bytes wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: asyncio.Future[str | None] | None = None
        self._asked_at = -math.inf

    async def problem(self) -> str | None:
        """Why the store cannot be used, in a sentence; None if it can. Takes at most ANSWER_SECONDS, mostly nothing."""
        now = time.monotonic()
        if self._asked is None or (self._asked.done() and now - self._asked_at > CHECK_SECONDS):
            self._asked, self._asked_at = asyncio.get_running_loop().create_future(), now
            # A daemon: a process that ends does not wait for a store that is silent.
            Thread(target=self._answer, args=(self._asked,), name="artifacts-check", daemon=True).start()
        asked = self._asked
        if not asked.done():
            await asyncio.wait([asked], timeout=max(0.0, self._asked_at + ANSWER_SECONDS - now))
        if not asked.done():
            return f"the store at {self._store.endpoint} has not answered for {time.monotonic() - self._asked_at:.0f} s"
        return asked.result()

    def _answer(self, asked: asyncio.Future[str | None]) -> None:
        problem = self._ask()
        with suppress(RuntimeError):  # the loop is closed
            asked.get_loop().call_soon_threadsafe(asked.set_result, problem)

    def _ask(self) -> str | None:
        store = self._store
        try:
            with store.asking("check the bucket"):
                if store.client.bucket_exists(store.bucket):
                    return None
        except Unavailable as error:
            verb = "refuses our key" if error.status in REFUSED else "does not answer"
            return f"the store at {store.endpoint} {verb}: {error}"
        except (OSError, ValueError) as error:
            return f"the store at {store.endpoint} cannot be asked: {error}"
        return f"the store at {store.endpoint} has no bucket {store.bucket}: run `python -m operations setup`"
