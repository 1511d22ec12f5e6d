"""Clients with bearer tokens, on a real broker that takes unsigned tokens and looks at their times."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from modelog.kafka_settings import kafka_arguments
from typing_extensions import override

from shared.bus.originals import originals
from shared.bus.producer import make_producer
from shared.bus.topics import existing_topics, make_topics
from shared.runtime.kafka_problem import kafka_problem
from shared.runtime.settings import Settings
from stack.kafka import Kafka

SECURITY = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "OAUTHBEARER"}
OTHERS = {"postgres_url": "postgresql://h/d", "s3_endpoint": "http://h", "topic_prefix": "t."}
MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


def token(valid_seconds: int) -> str:
    """An unsigned JSON Web Token."""
    now = int(time.time())
    parts = {"alg": "none"}, {"sub": "ada", "iat": now - 3600, "exp": now + valid_seconds}
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{'.'.join(encoded)}."


class OauthKafka(Kafka):
    """A broker with the mechanism OAUTHBEARER alone."""

    @override
    def settings(self, controller: str) -> Mapping[str, object]:
        return {
            **super().settings(controller),
            "listeners": f"SASL_PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"SASL_PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SASL_PLAINTEXT",
            "sasl.mechanism.inter.broker.protocol": "OAUTHBEARER",
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config": (
                f'{MODULE} required unsecuredLoginStringClaim_sub="admin";'
            ),
        }

    @override
    def ask(self) -> None:
        security = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "OAUTHBEARER", "TOKEN": token(60)}
        variables = {f"MODELOG_KAFKA_{name}": value for name, value in {"SERVERS": self.address, **security}.items()}
        if problem := asyncio.run(kafka_problem(kafka_arguments(variables))):
            raise ConnectionError(problem)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    kafka = OauthKafka(tmp_path_factory.mktemp("oauth"), erase=True)
    try:
        kafka.start()
        yield kafka.address
    finally:
        kafka.kill()


def settings(broker: str, **source: str) -> Settings:
    return Settings.model_validate({**SECURITY, **OTHERS, "kafka_servers": broker, **source})


async def test_every_client_of_the_services_logs_in_with_a_token(broker: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(60))
    given = settings(broker, kafka_token_file=str(file))
    assert "t.parked" in await make_topics(given)
    assert "t.parked" in await existing_topics(given)
    async with make_producer(given.kafka) as producer:
        sent = await producer.send_and_wait("t.parked", b"value", partition=0)
    async with originals(given) as kafka:
        assert [record.value async for record in kafka.read_on(sent.topic_partition, sent.offset)] == [b"value"]


@pytest.mark.parametrize("refused", [token(-60), "S3cret-and-no-token"], ids=["expired", "no token"])
async def test_a_token_that_is_refused_is_a_sentence(broker: str, refused: str) -> None:
    given = settings(broker, kafka_token=refused)
    for work in (existing_topics, make_topics):
        with pytest.raises(KafkaConnectionError):
            await work(given)
    sentence = await kafka_problem(given.kafka)
    assert sentence is not None
    assert "to let in 'with a token', found " in sentence
    assert "check the token of MODELOG_KAFKA_TOKEN" in sentence
    assert refused not in sentence


async def test_a_token_that_is_missing_is_a_sentence(broker: str, tmp_path: Path) -> None:
    given = settings(broker, kafka_token_file=str(tmp_path / "nothing"))
    assert "a token in the file of MODELOG_KAFKA_TOKEN_FILE" in str(await kafka_problem(given.kafka))
