"""What services and clients may do in Kafka, and no more."""

import pytest
from modelog.events import BY_TYPE, Fact

from operations.acls import ALLOW, LITERAL, OPERATIONS, PREFIXED, RESOURCES, acls
from services import names
from shared.bus.topics import PARKED

READ, WRITE = OPERATIONS["read"], OPERATIONS["write"]


def may(prefix: str, user: str, resource: str, name: str, operation: int) -> bool:
    """Whether any ACL allows it, by the rules of Kafka."""
    rows = [row for acl in acls(prefix, "services", ["pipelines", "deployers"]) for row in acl.rows]
    return any(
        (kind, principal, asked, permission) == (RESOURCES[resource], f"User:{user}", operation, ALLOW)  # type: ignore[index]
        and (name.startswith(pattern) if pattern_type == PREFIXED else pattern in (name, "*"))
        for kind, pattern, pattern_type, principal, _, asked, permission in rows
    )


@pytest.mark.parametrize("prefix", ["", "risk."])
def test_clients_read_facts_and_write_reports_and_requests(prefix: str) -> None:
    for kind, event in BY_TYPE.items():
        is_fact = issubclass(event, Fact)
        assert may(prefix, "pipelines", "topic", prefix + kind, READ) is is_fact
        assert may(prefix, "pipelines", "topic", prefix + kind, WRITE) is not is_fact


@pytest.mark.parametrize("prefix", ["", "risk."])
def test_clients_join_groups_of_their_own_alone(prefix: str) -> None:
    assert may(prefix, "deployers", "group", f"{prefix}deployers-blue", READ)
    assert not may(prefix, "pipelines", "group", f"{prefix}deployers-blue", READ)
    assert not any(may(prefix, "deployers", "group", prefix + name, READ) for name in names())


@pytest.mark.parametrize("prefix", ["", "risk."])
@pytest.mark.parametrize("operation", OPERATIONS.values())
def test_clients_have_no_rights_on_parked_and_on_the_relay_s_id(prefix: str, operation: int) -> None:
    assert not may(prefix, "pipelines", "topic", prefix + PARKED, operation)
    assert not may(prefix, "pipelines", "transactional id", f"{prefix}relay", operation)


def test_services_have_every_topic_and_group_of_their_prefix_and_no_other() -> None:
    for kind in (*BY_TYPE, PARKED):
        for name in ("read", "write", "create"):
            assert may("risk.", "services", "topic", f"risk.{kind}", OPERATIONS[name])
            assert not may("risk.", "services", "topic", kind, OPERATIONS[name])
    assert all(may("risk.", "services", "group", f"risk.{name}", READ) for name in names())
    assert not may("risk.", "services", "group", "other.ingestion", READ)


def test_an_empty_prefix_is_every_name() -> None:
    assert {(row[1], row[2]) for acl in acls("", "services", []) for row in acl.rows if acl.resource == "topic"} == {
        ("*", LITERAL)
    }
