"""The client for pipelines, monitors and deployers: report what happened, request something, read what was decided."""

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

from modelog.addresses import check_addresses
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

SERVICES = frozenset(
    {"ingestion", "validation", "promotion", "retraining", "retirement", "relay", "views", "parked"}
    | {"catalogue", "access", "api", "dashboard"}  # planned
)
"""The services of modelog: another member of the group of a service would take messages from it."""

Files = Path | str | Mapping[str, Path | str]


class Registry:
    """Publishes reports and requests, subscribes to all events, uploads and downloads artifacts.

    Arguments that are left out are read from the environment: MODELOG_KAFKA_SERVERS, MODELOG_TOPIC_PREFIX and, for
    files, MODELOG_S3_*. `source` names this system and `actor` who uses it: an opaque id, never a name or an address,
    because what is in the log cannot be erased. It is not verified, so no decision depends on it. `kafka` goes to
    aiokafka unchanged, for brokers that want TLS or a password:
    `kafka={"security_protocol": "SASL_SSL", "ssl_context": …, "sasl_mechanism": …}`.
    """

    def __init__(
        self,
        servers: str | None = None,
        *,
        prefix: str | None = None,
        source: str = "modelog-sdk",
        actor: str | None = None,
        store: Store | None = None,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        servers = servers or os.environ.get("MODELOG_KAFKA_SERVERS", "localhost:9092")
        self._kafka = {"bootstrap_servers": servers, "client_id": source, **(kafka or {})}
        self._prefix = os.environ.get("MODELOG_TOPIC_PREFIX", "") if prefix is None else prefix
        self._source = source
        self._actor = actor
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

    async def publish(self, event: E, *, id: str | uuid.UUID | None = None, actor: str | None = None) -> Message[E]:
        """Publish a report or a request, and return it as others will read it; all replicas have it by then.

        A message with an `id` of your own may be published again: modelog answers it once. `actor` replaces the
        registry's. All is checked before it is sent: raise ValueError for a fact, for an event that is too large or
        that modelog would not read, and for an id, source or actor that is empty, above 500 characters or has control
        characters; raise NotPublished if no broker acknowledges.
        """
        if isinstance(event, Fact):
            raise ValueError(
                f"expected a report or a request, found the fact {event.type}: only modelog publishes facts, "
                "publish a request such as promotion.requested"
            )
        if self._sender is None:
            raise RuntimeError("the registry is closed: open it with `async with Registry() as registry`")
        check_addresses(event)
        key, value, headers = encode(event, source=self._source, id=id, actor=actor or self._actor)
        message = decode(key, value, headers, strict=True)  # first: an error after the sending would be misleading
        await self._sender.send(self._prefix + event.type, key, value, headers)
        return cast("Message[E]", message)

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
        modelog can read instead. When it failed, or was refused for a reason that is gone, call it again: the same run
        with the same bytes is the same version, and the same bytes are stored once. Each call sends a new message,
        because a message is answered only once. Raise what `publish` and `Store.upload` raise.
        """
        if (files is None) == (uri is None):
            raise ValueError("expected either files or a uri, found both or none: name the place of the run's bytes")
        event = ModelTrained.model_validate(
            {
                "model": model,
                "run": run,
                "artifact": Artifact() if files is not None else Artifact(uri=uri),
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
        check_addresses(event)
        encode(event, source=self._source, actor=self._actor)  # a mistake is shown before the files are uploaded
        if files is not None:
            event = event.model_copy(update={"artifact": await asyncio.to_thread(self._upload, files)})
        return await self.publish(event)

    def subscribe(
        self, *types: type[E], group: str | None, since: Since = "earliest", until: Literal["now"] | None = None
    ) -> Subscription[E]:
        """Messages of these types, at least once and in order for each model: `async for message in …`.

        A `group` shares the messages among its members and continues where it stopped; its name gets the topics'
        prefix, so registries on the same Kafka have different groups. `since` is where a new group begins. Without a
        group everything is read from `since` on and nothing is committed; `until="now"` then ends with the messages
        that are there at the beginning. Records that cannot be read, and events of unknown types, are logged, counted
        in the subscription's `skipped` and passed over.

        A fact that is older than another of its model and type, which this subscription has given out, is passed over;
        the same fact may come again. Facts are ordered by (epoch, sequence): a restored log begins another epoch. What
        follows an open transaction in its partition comes when the transaction ends, and what it took back never comes.

        Raise ValueError without a type, for a group with an end, and for a group of the name of a service of modelog.
        """
        if not types:
            raise ValueError("expected at least one type of event, found none: name one, for example ModelPromoted")
        if group is not None and until is not None:
            raise ValueError("a group has no end, because its other members continue: leave out `group` or `until`")
        if group in SERVICES:
            raise ValueError(
                f"expected a group of your own, found {group!r}, which is that of a service of modelog and would take "
                f"messages from it: use another name, for example my-{group}"
            )
        from modelog._kafka.subscription import Subscription

        topics = {self._prefix + event.type: event for event in types}
        member = None if group is None else self._prefix + group
        subscription = Subscription(self._kafka, topics, group=member, since=since, until=until)
        self._subscriptions.add(subscription)
        return subscription

    async def download(self, version: ModelRegistered | ModelPromoted | str, into: Path | str) -> list[Path]:
        """Download the files of a version, named by a fact or by its manifest's digest, and return their paths.

        Every byte is checked. Raise what `Store.download` raises.
        """
        manifest = version if isinstance(version, str) else version.manifest
        return await asyncio.to_thread(lambda: self._artifacts().download(manifest, Path(into)))

    def _upload(self, files: Files) -> Artifact:
        return self._artifacts().upload(files)

    def _artifacts(self) -> Store:
        from modelog.store import Store

        self._store = self._store or Store.from_env()
        return self._store
