import os
import stat
from pathlib import Path

import psutil
import pytest

from stack import Addresses, StackError, account
from stack.cache import cache_directory
from stack.checkout import Record, read_record
from stack.jars import digest
from stack.ports import LOWEST, free_port, is_free, kept_port
from stack.secret import kept_secret, write_privately
from stack.selection import check_given, hosts, select, wants_secured_kafka
from stack.supervisor.identity import Identity, wait_for_earlier
from stack.up import card

GIVEN = {
    "MODELOG_KAFKA_SERVERS": "kafka:9092",
    "MODELOG_POSTGRES_URL": "postgresql://modelog:hush@postgres:5432/modelog",
    "MODELOG_S3_ENDPOINT": "http://s3:8080",
}


def docker_is_there() -> bool:
    return True


def docker_is_not_there() -> bool:
    return False


def test_addresses_in_the_environment_come_first() -> None:
    assert select(GIVEN, docker_is_there) == "given"


def test_docker_comes_second() -> None:
    assert select({}, docker_is_there) == "docker"


def test_this_machine_comes_last() -> None:
    assert select({}, docker_is_not_there) == "native"


def test_docker_can_be_declined() -> None:
    assert select({"MODELOG_STACK": "native"}, docker_is_there) == "native"


def test_an_unknown_source_is_answered_with_the_known_sources() -> None:
    with pytest.raises(StackError, match="set it to docker or native"):
        select({"MODELOG_STACK": "podman"}, docker_is_there)


def test_half_of_the_addresses_are_answered_with_the_missing_ones() -> None:
    with pytest.raises(StackError, match="without MODELOG_POSTGRES_URL and MODELOG_S3_ENDPOINT"):
        select({"MODELOG_KAFKA_SERVERS": "kafka:9092"}, docker_is_there)


def test_addresses_travel_through_the_environment() -> None:
    addresses = Addresses("kafka:1", "postgresql://a:b@c:2/d", "http://s3:3", "key", "hush", "bucket", "test-")
    assert Addresses.from_env(addresses.env) == addresses


def test_the_bucket_and_the_prefix_need_not_be_given() -> None:
    addresses = Addresses.from_env(GIVEN)
    assert (addresses.s3_bucket, addresses.topic_prefix) == ("modelog", "")


def test_the_card_shows_no_secret() -> None:
    shown = card(GIVEN | {"MODELOG_S3_SECRET_KEY": "hush-too", "MODELOG_HEALTH_PORT": "8000"})
    assert "postgresql://modelog:****@postgres:5432/modelog" in shown
    assert "http://127.0.0.1:8000/readyz" in shown
    assert "hush" not in shown


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    assert Addresses.from_env(GIVEN | {"MODELOG_POSTGRES_URL": "postgresql://here/it"}).masked.postgres == (
        "postgresql://here/it"
    )


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    port = kept_port(tmp_path / "port")
    assert kept_port(tmp_path / "port") == port


def test_a_taken_port_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stack.ports.is_free", lambda port: port >= LOWEST)
        assert kept_port(tmp_path / "port") >= LOWEST


def test_a_free_port_is_free() -> None:
    assert is_free(free_port())


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    secret = kept_secret(tmp_path / "secret")
    assert kept_secret(tmp_path / "secret") == secret
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_the_addresses_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    write_privately(tmp_path / "env", "A=1\n")
    write_privately(tmp_path / "env", "A=2\n")
    assert (tmp_path / "env").read_text() == "A=2\n"
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600


def test_a_process_is_known_by_its_id_and_its_start() -> None:
    myself = Record.of("native", os.getpid())
    assert myself.process == psutil.Process()


def test_another_process_with_the_same_id_is_not_ours() -> None:
    assert Record("native", os.getpid(), started=1.0).process is None


def test_jars_are_known_by_their_names_and_bytes(tmp_path: Path) -> None:
    jar, other = tmp_path / "a.jar", tmp_path / "b.jar"
    jar.write_bytes(b"bytes")
    other.write_bytes(b"bytes")
    assert digest([jar]) == digest([jar])
    assert len({digest([jar]), digest([other]), digest([jar, other])}) == 3


def test_the_cache_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODELOG_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path


def test_a_folder_behind_a_closed_one_is_out_of_reach(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert not account.reachable(tmp_path)
    assert account.reachable(Path("/"))


def test_a_folder_of_another_user_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(account, "COMMON_FOLDER", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StackError, match="belongs to another user"):
        account.reachable_home(tmp_path / "postgres")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("kafka-1:9092,kafka-2:9093", [("kafka-1", 9092), ("kafka-2", 9093)]),
        ("kafka", [("kafka", 9092)]),
        ("postgresql://ada:p%40ss@postgres/modelog?sslmode=verify-full", [("postgres", 5432)]),
        ("https://s3.example.com", [("s3.example.com", 443)]),
        ("http://[::1]:9000/", [("::1", 9000)]),
    ],
)
def test_the_hosts_of_an_address(address: str, expected: list[tuple[str, int]]) -> None:
    assert hosts(address) == expected


def test_addresses_that_do_not_answer_are_named_with_what_to_do() -> None:
    stale = {name: value.replace("//s3:8080", "//127.0.0.1:1") for name, value in GIVEN.items()}
    stale |= {"MODELOG_KAFKA_SERVERS": "127.0.0.1:1", "MODELOG_POSTGRES_URL": "postgresql://a:hush@127.0.0.1:1/m"}
    with pytest.raises(StackError, match=r"unset MODELOG_KAFKA_SERVERS MODELOG_POSTGRES_URL MODELOG_S3_ENDPOINT$"):
        check_given(stale)


def test_a_secured_kafka_is_asked_for_or_was_made_before(tmp_path: Path) -> None:
    native = {"MODELOG_STACK": "native"}
    assert not wants_secured_kafka(native, tmp_path)
    assert wants_secured_kafka(native | {"MODELOG_STACK_KAFKA": "secured"}, tmp_path)
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "secured").touch()
    assert wants_secured_kafka(native, tmp_path)
    assert not wants_secured_kafka(native | {"MODELOG_STACK_KAFKA": "open"}, tmp_path)


def test_a_secured_kafka_is_not_made_at_given_addresses(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="on this machine alone"):
        wants_secured_kafka(GIVEN | {"MODELOG_STACK_KAFKA": "secured"}, tmp_path)


def test_an_unknown_kind_of_kafka_is_answered_with_the_known_kinds(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="open or secured"):
        wants_secured_kafka({"MODELOG_STACK_KAFKA": "safe"}, tmp_path)


def test_a_process_of_an_earlier_start_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "process"
    Identity.of(os.getpid()).write(file)
    with pytest.raises(StackError, match=f"still runs as process {os.getpid()}"):
        wait_for_earlier("Kafka", file, seconds=0.01)
    Identity(os.getpid(), started=1.0).write(file)
    wait_for_earlier("Kafka", file, seconds=0.01)


@pytest.mark.parametrize("half", ["", "{", "[]", '{"pid": 1}'])
def test_half_a_file_of_a_full_disk_stops_nothing(half: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text(half)
    monkeypatch.setattr("stack.checkout.RECORD", file)
    wait_for_earlier("Kafka", file, seconds=0.01)
    assert read_record() is None
    assert is_free(kept_port(file))
