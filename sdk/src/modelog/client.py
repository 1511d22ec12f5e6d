"""The client for pipelines, monitors and deployers: report what happened, request something, read what was decided."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, SupportsFloat, TypeVar, cast
from weakref import WeakSet

from modelog.addresses import check_addresses
from modelog.envelope import MAX_EVENT_BYTES, Message, decode, encode
from modelog.environment import exported, variables
from modelog.errors import MissingExtra
from modelog.events import Event, Fact, ModelPromoted, ModelRegistered, ModelTrained
from modelog.groups import check_group
from modelog.home import Home, closed, described, keep, refuse_pickle
from modelog.kafka_settings import kafka_arguments
from modelog.values import Artifact, Code, Dataset, Experiment, Framework, model_name

if TYPE_CHECKING:
    from modelog._kafka.reader import Since
    from modelog._kafka.sender import Sender
    from modelog._kafka.subscription import Subscription
    from modelog.store import Store

E = TypeVar("E", bound=Event)

Files = Path | str | Mapping[str, Path | str]


class Registry:
    """Publishes reports and requests, subscribes to all events, uploads and downloads artifacts.

    Open it by `async with`, or by `connect()` and `close()`. It belongs to the process and the event loop that it was
    opened in; elsewhere its methods raise RuntimeError, as they do when it is closed.

    Arguments that are left out are read from the variables MODELOG_KAFKA_*, MODELOG_TOPIC_PREFIX and, for files,
    MODELOG_S3_*. Without MODELOG_KAFKA_SERVERS in the environment, those in the file `.modelog/env` of a checkout are
    used, in the working folder or above it; with `servers`, only the environment is. `kafka` goes to aiokafka
    unchanged: `kafka={"security_protocol": "SASL_SSL", "ssl_context": …, "sasl_mechanism": …}`.

    `source` names this system and `actor` who uses it: an opaque id, never a name or an address, because what is in the
    log cannot be erased. It is not verified, so no decision depends on it.
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
        self._variables = exported() if servers else variables()
        self._kafka: dict[str, Any] = {"bootstrap_servers": "localhost:9092", "client_id": source}
        self._kafka |= kafka_arguments(self._variables)
        self._kafka |= {"bootstrap_servers": servers} if servers else {}
        self._kafka |= kafka or {}
        self._prefix = self._variables.get("MODELOG_TOPIC_PREFIX", "") if prefix is None else prefix
        self._source = source
        self._actor = actor
        self._store = store
        self._home: Home | None = None
        self._sender: Sender | None = None
        self._subscriptions: WeakSet[Subscription[Any]] = WeakSet()

    def __repr__(self) -> str:
        return described("Registry", self._kafka["bootstrap_servers"], self._prefix, is_open=self._home is not None)

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)

    async def __aenter__(self) -> Registry:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> Registry:
        """Open it, and return it; an open registry stays as it is. The first event connects it with Kafka."""
        if self._home is not None:
            self._home.check()
            return self
        try:
            from modelog._kafka.sender import Sender
        except ImportError as missing:
            raise MissingExtra("a Registry needs aiokafka, found none: pip install 'modelog[kafka]'") from missing
        self._home = Home()
        self._sender = Sender(self._kafka, self._home)
        return self

    async def close(self) -> None:
        """Publish what is under way, and end the subscriptions; a closed registry stays as it is."""
        if self._home is None:
            return
        is_lost = self._home.is_lost
        if not is_lost:
            self._home.check()
        sender, subscriptions = self._sender, list(self._subscriptions)
        self._home, self._sender, self._subscriptions = None, None, WeakSet()
        if is_lost:
            keep((sender, subscriptions))
            return
        for subscription in subscriptions:
            await subscription.shut()
        if sender is not None:
            await sender.close()

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
        sender = self._sending()
        check_addresses(event)
        key, value, headers = encode(event, source=self._source, id=id, actor=actor or self._actor)
        message = decode(key, value, headers, strict=True)  # first: an error after the sending would be misleading
        await sender.send(self._prefix + event.type, key, value, headers)
        return cast("Message[E]", message)

    async def trained(
        self,
        model: str,
        *,
        run: str,
        files: Files | None = None,
        uri: str | None = None,
        metrics: Mapping[str, SupportsFloat | None] | None = None,
        parameters: Mapping[str, Any] | None = None,
        datasets: Sequence[Dataset] = (),
        features: Sequence[str] = (),
        code: Code | None = None,
        framework: Framework | None = None,
        dependencies: Sequence[str] = (),
        author: str | None = None,
        trained_at: datetime | None = None,
        description: str = "",
        tags: Mapping[str, str | SupportsFloat] | None = None,
        experiment: Experiment | None = None,
        answers: uuid.UUID | str | None = None,
        follow_links: bool = False,
    ) -> Message[ModelTrained]:
        """Upload the files of a run and publish `model.trained`.

        `files` is a file, a folder or {path inside the artifact: local path}; `follow_links` also follows links out of
        the folder. `uri` is an `s3://bucket/prefix` that modelog can read instead. When it failed, or was refused for a
        reason that is gone, call it again: the same run with the same bytes is the same version, and the same bytes are
        stored once. Each call sends a new message, because a message is answered only once.

        Numbers, arrays, tuples and paths of numpy, torch and others are sent as the plain values that they are, and a
        metric that is None is left out, with a warning. Parameters come back as they were sent, but for the order of
        names in them, or are refused here: NaN, infinities, -0.0, sets, names that are no text. All but the files is
        checked before the files are uploaded. Raise what `publish` and `Store.upload` raise.
        """
        if (files is None) == (uri is None):
            raise ValueError("expected either files or a uri, found both or none: name the place of the run's bytes")
        event = ModelTrained.model_validate(
            {
                "model": model,
                "run": run,
                "artifact": Artifact() if files is not None else Artifact(uri=uri),
                "metrics": {} if metrics is None else metrics,
                "parameters": {} if parameters is None else parameters,
                "datasets": datasets,
                "features": features,
                "code": code,
                "framework": framework,
                "dependencies": dependencies,
                "author": author,
                "trained_at": trained_at,
                "description": description,
                "tags": {} if tags is None else tags,
                "experiment": experiment,
                "answers": answers,
            }
        )
        check_addresses(event)
        _, value, _ = encode(event, source=self._source, actor=self._actor)  # mistakes are shown before the upload
        if files is not None:
            await self._sending().check(self._prefix + event.type)
            artifact = await asyncio.to_thread(self._upload, files, follow_links, MAX_EVENT_BYTES - len(value))
            event = event.model_copy(update={"artifact": artifact})
        return await self.publish(event)

    def subscribe(
        self, *types: type[E], group: str | None, since: Since = "earliest", until: Literal["now"] | None = None
    ) -> Subscription[E]:
        """Messages of these types, at least once: `async for message in …`.

        They are in order for each model and type: by (epoch, sequence). Over several types there is no order, because
        each type is a topic: a fact may come after a later fact of another type. Sort a read that has an end.

        A `group` shares the messages among its members and continues where it stopped; its name gets the topics'
        prefix, so registries on the same Kafka have different groups. `since` is where a new group begins. Without a
        group everything is read from `since` on and nothing is committed; `until="now"` then ends with the messages
        that are there at the beginning. Records that cannot be read, and events of unknown types, are logged, counted
        in the subscription's `skipped` and passed over.

        A fact that is older than another of its model and type, which this subscription has given out, is passed over;
        the same fact may come again. A restored log begins another epoch. What follows an open transaction in its
        partition comes when the transaction ends, and what it took back never comes.

        Raise ValueError without a type, for a group with an end, and for a group of the name of a service of modelog.
        The loop raises NotConnected, MissingTopic or AccessDenied within seconds when it cannot begin, and MissingTopic
        when a topic is deleted; else it waits for brokers that restart. It ends when the registry is closed.
        """
        if not types:
            raise ValueError("expected at least one type of event, found none: name a type, for example ModelPromoted")
        check_group(group, until)
        return self._subscription(types, group=group, since=since, until=until)

    async def serving(self, model: str, stage: str = "production") -> Message[ModelPromoted] | None:
        """The promotion of the version that serves this stage, or None if none does, by the topic as it is now.

        It reads the promotions that are in the partition of the model, from the first, some 25,000 a second.
        Raise ValueError for what is no name of a model; NotConnected, MissingTopic or AccessDenied when they cannot be
        read.
        """
        from modelog._kafka.order import serving

        promotions = self._subscription(
            [ModelPromoted], group=None, since="earliest", until="now", key=model_name(model).encode()
        )
        return await serving(promotions, stage)

    def _subscription(
        self,
        types: Sequence[type[E]],
        *,
        group: str | None,
        since: Since,
        until: Literal["now"] | None,
        key: bytes | None = None,
    ) -> Subscription[E]:
        home = self._opened()
        from modelog._kafka.subscription import Subscription

        topics = {self._prefix + event.type: event for event in types}
        member = None if group is None else self._prefix + group
        subscription = Subscription(self._kafka, topics, group=member, since=since, until=until, home=home, key=key)
        self._subscriptions.add(subscription)
        return subscription

    async def download(
        self, version: ModelRegistered | ModelPromoted | str, into: Path | str, *, max_bytes: int | None = None
    ) -> list[Path]:
        """Make `into` a folder of exactly the files of a version, and return their paths.

        The version is named by a fact or by its manifest's digest. Every byte is checked, and `into` is as it was if
        anything fails; see `Store.download`, and for what is raised.
        """
        manifest = version if isinstance(version, str) else version.manifest
        return await asyncio.to_thread(lambda: self._artifacts().download(manifest, into, max_bytes=max_bytes))

    def _upload(self, files: Files, follow_links: bool, max_listed_bytes: int) -> Artifact:
        return self._artifacts().upload(files, follow_links=follow_links, max_listed_bytes=max_listed_bytes)

    def _artifacts(self) -> Store:
        self._opened()
        from modelog.store import Store

        self._store = self._store or Store.from_env(self._variables)
        return self._store

    def _sending(self) -> Sender:
        if self._sender is None:
            raise closed()
        return self._sender

    def _opened(self) -> Home:
        if self._home is None:
            raise closed()
        self._home.check_process()
        return self._home

    def _again(self) -> Registry:
        """The same, closed: for a forked process."""
        again = object.__new__(type(self))
        again.__dict__.update(self.__dict__)
        again._home, again._sender, again._subscriptions = None, None, WeakSet()
        return again
