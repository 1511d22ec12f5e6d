"""A look at Kafka before the first record: whether it answers, lets this user in, and has the topics.

aiokafka logs what is wrong, and raises or gives up much later. This asks on a connection of its own, creates no topic,
and raises within CONNECT_SECONDS or TOPIC_SECONDS.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import errors
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest
from async_timeout import timeout

from modelog.environment import origin
from modelog.errors import AccessDenied, MissingTopic, NotConnected
from modelog.events import BY_TYPE
from modelog.untrusted import printable

CONNECT_SECONDS = 8.0
"""For all servers together."""
TOPIC_SECONDS = 5.0
"""A broker learns of a topic that was just made after so long at most."""
LOOK_SECONDS = 0.2
CLOSE_SECONDS = 1.0
MAX_PREFIXES_SHOWN = 5

DENIED = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.ClusterAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.IllegalSaslStateError,
    errors.SaslAuthenticationFailed,
    errors.TopicAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.UnsupportedSaslMechanismError,
)
"""What Kafka answers to a user that may not do this."""
LOGIN = (
    *("client_id", "ssl_context", "security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"),
    *("sasl_oauth_token_provider", "sasl_kerberos_service_name", "sasl_kerberos_domain_name"),
)


async def partitions_of(kafka: Mapping[str, Any], topics: Collection[str]) -> dict[str, int]:
    """How many partitions each topic has; raise NotConnected, MissingTopic or AccessDenied with the cause."""
    connection = await _connected(kafka)
    try:
        await _reach_brokers(kafka, connection)
        return await _look(connection, topics, addresses(kafka))
    except DENIED as error:
        raise denied(kafka, error) from error
    except (OSError, asyncio.TimeoutError, errors.KafkaError) as error:
        raise _not_connected(kafka, [error]) from error
    finally:
        await asyncio.wait([connection.close()], timeout=CLOSE_SECONDS)


def addresses(kafka: Mapping[str, Any]) -> str:
    """The servers as text."""
    servers = _servers(kafka)
    return servers if isinstance(servers, str) else ",".join(servers)


def _servers(kafka: Mapping[str, Any]) -> str | list[str]:
    servers: str | list[str] = kafka["bootstrap_servers"]
    return servers


async def _connected(kafka: Mapping[str, Any]) -> AIOKafkaConnection:
    connection, failures = await _first(kafka, [(host, port) for host, port, _ in collect_hosts(_servers(kafka))])
    if connection is None:
        raise _not_connected(kafka, failures) from failures[0]
    return connection


async def _first(
    kafka: Mapping[str, Any], hosts: Collection[tuple[str, int]]
) -> tuple[AIOKafkaConnection | None, list[Exception]]:
    """A connection with the first of these that answers, and what was wrong with those before it."""
    login = {name: kafka[name] for name in LOGIN if name in kafka}
    failures: list[Exception] = []
    for host, port in hosts:
        try:
            async with timeout(CONNECT_SECONDS / len(hosts)):
                return await create_conn(host, port, **login), failures
        except DENIED as error:
            raise denied(kafka, error) from error
        except (OSError, asyncio.TimeoutError, errors.KafkaError) as error:
            failures.append(error)
    return None, failures


async def _reach_brokers(kafka: Mapping[str, Any], connection: AIOKafkaConnection) -> None:
    """Raise NotConnected if none of the addresses that the brokers give for themselves can be reached from here."""
    async with timeout(CONNECT_SECONDS):
        answer = await connection.send(MetadataRequest([], allow_auto_topic_creation=False))
    brokers = [(host, port) for _, host, port, *_ in answer.brokers]
    if not brokers:  # aiokafka goes on after a token that was refused, as if it was accepted
        raise errors.SaslAuthenticationFailed("no broker is shown to this client")
    if (connection.host, connection.port) in brokers:
        return
    reached, failures = await _first(kafka, brokers)
    if reached is None:
        named = ", ".join(f"{host}:{port}" for host, port in brokers)
        raise NotConnected(
            f"expected the brokers {named}, which Kafka at {addresses(kafka)} names, found {_cause(failures[0])[0]}: "
            "correct `advertised.listeners` of the brokers, or the network"
        ) from failures[0]
    await asyncio.wait([reached.close()], timeout=CLOSE_SECONDS)


async def _look(connection: AIOKafkaConnection, topics: Collection[str], servers: str) -> dict[str, int]:
    looks = int(TOPIC_SECONDS / LOOK_SECONDS)
    for look in range(looks):
        missing, found = set(topics), {}
        for code, topic, *_, partitions in await _described(connection, list(topics)):
            if code == errors.TopicAuthorizationFailedError.errno:
                raise errors.TopicAuthorizationFailedError(topic)
            if code != errors.UnknownTopicOrPartitionError.errno and topic in missing and partitions:
                missing.remove(topic)
                found[topic] = len(partitions)
        if not missing:
            return found
        if look + 1 < looks:
            await asyncio.sleep(LOOK_SECONDS)
    there = {topic for _, topic, *_ in await _described(connection, None)}
    raise MissingTopic(missing_sentence(sorted(missing), there, servers))


async def _described(connection: AIOKafkaConnection, topics: list[str] | None) -> list[Any]:
    async with timeout(CONNECT_SECONDS):
        answer = await connection.send(MetadataRequest(topics, allow_auto_topic_creation=False))
    described: list[Any] = answer.topics
    return described


def missing_sentence(missing: Collection[str], there: Collection[str], servers: str) -> str:
    """What to do about topics that are not there, with the prefixes of those that are."""
    types = {topic: next((type for type in BY_TYPE if topic.endswith(type)), topic) for topic in missing}
    prefixes = sorted({name.removesuffix(type) for type in types.values() for name in there if name.endswith(type)})
    found = ", ".join(map(repr, prefixes[:MAX_PREFIXES_SHOWN])) + (", …" if len(prefixes) > MAX_PREFIXES_SHOWN else "")
    own = sorted({topic.removesuffix(type) for topic, type in types.items()})
    return (
        f"expected the topic {', '.join(missing)} at {servers}, found none: "
        + (f"there are topics of that type with the prefix {found}; " if prefixes else "")
        + f"check MODELOG_TOPIC_PREFIX, which is {', '.join(map(repr, own))} here, "
        + "or create the topics with `python -m operations setup`"
    )


def denied(kafka: Mapping[str, Any], error: Exception) -> AccessDenied:
    """The error for a user that Kafka refuses."""
    name = kafka.get("sasl_plain_username") or ("with a token" if kafka.get("sasl_mechanism") else "without a login")
    found = str(error) or type(error).__name__
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        found = f"that it does not offer {kafka.get('sasl_mechanism')}"
    if isinstance(error, (errors.TopicAuthorizationFailedError, errors.GroupAuthorizationFailedError)):
        advice = "ask an administrator to allow the topic and the group (`python -m operations acls` prints the rules)"
    elif kafka.get("sasl_mechanism") == "OAUTHBEARER":
        advice = "check the token of MODELOG_KAFKA_TOKEN or _TOKEN_FILE, or the client of MODELOG_KAFKA_OAUTH_URL"
    else:
        advice = "check MODELOG_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
    return AccessDenied(printable(f"expected Kafka at {addresses(kafka)} to let in {name!r}, found {found}: {advice}"))


def _not_connected(kafka: Mapping[str, Any], failures: list[Exception]) -> NotConnected:
    causes = dict.fromkeys(_cause(error) for error in failures)
    found, advice = "; ".join(found for found, _ in causes), " or ".join(dict.fromkeys(advice for _, advice in causes))
    servers = addresses(kafka)
    named = origin(servers)
    sentence = f"expected Kafka at {servers}, found {found}: {advice}" + (f" ({named})" if named else "")
    return NotConnected(printable(sentence))


def _cause(error: Exception) -> tuple[str, str]:
    """What was found, and what to do."""
    text = str(error) or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"a certificate that is not trusted ({error.verify_message})",
            "name its authority by MODELOG_KAFKA_CA_FILE",
        )
    if isinstance(error, ssl.SSLError):
        return f"that TLS failed ({text})", "check MODELOG_KAFKA_SECURITY_PROTOCOL"
    if isinstance(error, socket.gaierror):
        return f"no host of that name ({text})", "check the address"
    if isinstance(error, (asyncio.TimeoutError, TimeoutError, errors.RequestTimedOutError)):
        return "no answer in time", "check the address, and that Kafka runs there"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in text:
        return f"that the connection is refused ({text})", "check the address, and that Kafka runs there"
    if isinstance(error, OSError) and not isinstance(error, ConnectionResetError):
        return text, "check the address and the network"
    return (
        f"that the connection was closed ({text})",
        "check the address, and MODELOG_KAFKA_SECURITY_PROTOCOL, because a broker that wants TLS or a login closes it",
    )
