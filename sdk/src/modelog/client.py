"""The door for pipelines, monitors and deployers: say what happened, ask for something, hear what was decided."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from weakref import WeakSet

from pydantic import JsonValue

from modelog.envelope import Message, decode, encode
from modelog.errors import MissingExtra
from modelog.events import Event, Fact, ModelPromoted, ModelRegistered, ModelTrained
from modelog.values import Artifact, Code, Dataset, Experiment, Framework

if TYPE_CHECKING:
    from modelog._kafka.reader import Since
    from modelog._kafka.sender import Sender
    from modelog._kafka.subscription import Subscription
    from modelog.store import Store

E = TypeVar("E", bound=Event)
Files = Path | str | Mapping[str, Path | str]


class Registry:
    """Publishes reports and wishes, subscribes to everything, uploads and downloads artifacts.

    What is not said here is read from the environment: MODELOG_KAFKA_SERVERS, MODELOG_TOPIC_PREFIX and, for files,
    MODELOG_S3_*. `kafka` is handed to aiokafka as it is, for brokers that ask for TLS or a password:
    `kafka={"security_protocol": "SASL_SSL", "ssl_context": …, "sasl_mechanism": …}`.
    """

    def __init__(
        self,
        servers: str | None = None,
        *,
        prefix: str | None = None,
        source: str = "modelog-sdk",
        store: Store | None = None,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        servers = servers or os.environ.get("MODELOG_KAFKA_SERVERS", "localhost:9092")
        self._kafka = {"bootstrap_servers": servers, "client_id": source, **(kafka or {})}
        self._prefix = os.environ.get("MODELOG_TOPIC_PREFIX", "") if prefix is None else prefix
        self._source = source
        self._store = store
        self._sender: Sender | None = None
        self._subscriptions: WeakSet[Subscription[Any]] = WeakSet()

    async def __aenter__(self) -> Registry:
        try:
            from modelog._kafka.sender import Sender
        except ImportError as missing:
            raise MissingExtra("a Registry needs aiokafka, found none: pip install 'modelog[kafka]'") from missing
        self._sender = Sender(self._kafka)
        return self

    async def __aexit__(self, *_: object) -> None:
        for subscription in list(self._subscriptions):
            await subscription.close()
        if self._sender is not None:
            await self._sender.close()
            self._sender = None

    async def publish(self, event: E, *, id: str | None = None) -> Message[E]:
        """Publish a report or a wish, and return it as the world will read it; all replicas have it by then.

        A message with an `id` of your own may be published again: modelog answers it once.
        """
        if isinstance(event, Fact):
            raise ValueError(
                f"expected a report or a wish, found the fact {event.type}: facts are said by modelog, ask for one "
                "with a wish such as promotion.requested"
            )
        if self._sender is None:
            raise RuntimeError("the registry is closed: open it with `async with Registry() as registry`")
        key, value, headers = encode(event, source=self._source, id=id)
        await self._sender.send(self._prefix + event.type, key, value, headers)
        return cast("Message[E]", decode(key, value, headers))

    async def trained(
        self,
        model: str,
        *,
        run: str,
        files: Files | None = None,
        uri: str | None = None,
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, JsonValue] | None = None,
        datasets: Sequence[Dataset] = (),
        features: Sequence[str] = (),
        code: Code | None = None,
        framework: Framework | None = None,
        dependencies: Sequence[str] = (),
        author: str | None = None,
        trained_at: datetime | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        experiment: Experiment | None = None,
        answers: uuid.UUID | str | None = None,
    ) -> Message[ModelTrained]:
        """Upload the files of a run and publish `model.trained`.

        `files` is a file, a folder or {path inside the artifact: local path}; `uri` is an `s3://bucket/prefix` that
        modelog can read instead. Call it again whenever it failed, or was refused for what has been mended since: the
        same run with the same bytes is the same version, and the same bytes are stored once. Each call is a message of
        its own, for a message is answered once.
        """
        if (files is None) == (uri is None):
            raise ValueError("expected either files or a uri, found both or none: say where the bytes of the run are")
        event = ModelTrained.model_validate(
            {
                "model": model,
                "run": run,
                "artifact": Artifact(uri=uri) if files is None else await asyncio.to_thread(self._upload, files),
                "metrics": metrics or {},
                "parameters": parameters or {},
                "datasets": tuple(datasets),
                "features": tuple(features),
                "code": code,
                "framework": framework,
                "dependencies": tuple(dependencies),
                "author": author,
                "trained_at": trained_at,
                "description": description,
                "tags": tags or {},
                "experiment": experiment,
                "answers": answers,
            }
        )
        return await self.publish(event)

    def subscribe(
        self,
        *types: type[E],
        group: str | None,
        since: Since = "earliest",
        until: Literal["now"] | None = None,
    ) -> Subscription[E]:
        """Messages of these types, at least once and in order for each model: `async for message in …`.

        A `group` shares the messages among its members and goes on where it stopped; it has the topics' prefix, so that
        registries on one Kafka share none. `since` is where a group begins that has read nothing yet. Without a group
        one reads everything from `since` on, and nothing is committed; `until="now"` then ends with what is there at
        the beginning. Records that are no events are logged and skipped.
        """
        if not types:
            raise ValueError("expected at least one type of event, found none: subscribe to ModelPromoted, for one")
        if group is not None and until is not None:
            raise ValueError("a group has no end, as its other members read on: leave out `group` or `until`")
        from modelog._kafka.subscription import Subscription

        topics = {self._prefix + event.type: event for event in types}
        member = None if group is None else self._prefix + group
        subscription = Subscription(self._kafka, topics, group=member, since=since, until=until)
        self._subscriptions.add(subscription)
        return subscription

    async def download(self, version: ModelRegistered | ModelPromoted | str, into: Path | str) -> list[Path]:
        """Fetch the files of a version, named by a fact about it or by its manifest's digest; every byte is checked."""
        manifest = version if isinstance(version, str) else version.manifest
        return await asyncio.to_thread(lambda: self._artifacts().download(manifest, Path(into)))

    def _upload(self, files: Files) -> Artifact:
        return self._artifacts().upload(files)

    def _artifacts(self) -> Store:
        from modelog.store import Store

        self._store = self._store or Store.from_env()
        return self._store
