"""The same servers in Docker, for tests; testcontainers' own reaper ends them when this process dies."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from testcontainers.core.container import DockerContainer

from stack import probes
from stack.addresses import Addresses
from stack.kafka import BROKER, CLUSTER
from stack.ports import free_port
from stack.postgres import OWNER, READER, SERVICE
from stack.terminal import StackError
from stack.waiting import wait_until

START_SECONDS = 120.0


@contextmanager
def containers() -> Iterator[Addresses]:
    """Kafka, Postgres and S3 in containers of their own, ready for work."""
    kafka, postgres, s3 = free_port(), free_port(), free_port()
    addresses = Addresses(
        kafka=f"127.0.0.1:{kafka}",
        postgres=f"postgresql://{SERVICE}:{SERVICE}@127.0.0.1:{postgres}/modelog",
        postgres_owner=f"postgresql://{OWNER}:{OWNER}@127.0.0.1:{postgres}/modelog",
        postgres_reader=f"postgresql://{READER}:{READER}@127.0.0.1:{postgres}/modelog",
        s3_endpoint=f"http://127.0.0.1:{s3}",
        s3_access_key="modelog",
        s3_secret_key="modelog-secret",
    )
    with ExitStack() as ends:
        for container in (kafka_container(kafka), postgres_container(postgres), s3_container(s3)):
            ends.enter_context(container)
        wait_for("kafka", lambda: probes.kafka(addresses.kafka))
        wait_for("postgres", lambda: probes.postgres(addresses.owner))
        wait_for("s3", lambda: probes.s3(addresses.s3_endpoint, addresses.s3_access_key, addresses.s3_secret_key))
        yield addresses


def kafka_container(port: int) -> DockerContainer:
    """Kafka, with the same settings as without Docker."""
    settings = {
        **BROKER,
        "controller.quorum.voters": "1@127.0.0.1:9093",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
    }
    container = DockerContainer("apache/kafka:4.3.1").with_bind_ports(9092, port).with_env("CLUSTER_ID", CLUSTER)
    return container.with_envs(**{f"KAFKA_{key.upper().replace('.', '_')}": str(settings[key]) for key in settings})


def postgres_container(port: int) -> DockerContainer:
    """Postgres with an owner and a database."""
    container = DockerContainer("postgres:18").with_bind_ports(5432, port).with_command(["-c", "max_connections=300"])
    return container.with_envs(POSTGRES_USER=OWNER, POSTGRES_PASSWORD=OWNER, POSTGRES_DB="modelog")


def s3_container(port: int) -> DockerContainer:
    """rclone, which serves a folder of its container by the S3 protocol."""
    container = DockerContainer("rclone/rclone:1.75.2").with_bind_ports(8080, port)
    return container.with_command(["serve", "s3", "--addr", ":8080", "--auth-key", "modelog,modelog-secret", "/data"])


def wait_for(name: str, ask: Callable[[], None]) -> None:
    """Return when the server answers."""

    def answers() -> bool:
        ask()
        return True

    try:
        wait_until(answers, f"{name} to answer", seconds=START_SECONDS, every=0.2, not_yet=Exception)
    except TimeoutError as error:
        raise StackError(str(error)) from error
