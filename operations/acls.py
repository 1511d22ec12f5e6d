"""Allow in Kafka what services and clients need, by ACLs. Safe to repeat; nothing is taken away.

Run it before `setup`, with the login of an administrator of Kafka: SCRAM or PLAIN users by their names, client
certificates by their subjects. A broker checks ACLs when it has an authorizer and `allow.everyone.if.no.acl.found` is
false. No ACL lets clients write facts, or join the groups of the services.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest
from modelog.events import BY_TYPE, Fact

from shared.bus.topics import administration
from shared.runtime.settings import Settings, settings

Resource = Literal["topic", "group", "transactional id"]
Operation = Literal["read", "write", "create", "describe", "describe configs"]

# The numbers of Kafka's protocol: ResourceType, AclOperation, PatternType, AclPermissionType.
RESOURCES: dict[Resource, int] = {"topic": 2, "group": 3, "transactional id": 5}
OPERATIONS: dict[Operation, int] = {"read": 3, "write": 4, "create": 5, "describe": 8, "describe configs": 10}
LITERAL, PREFIXED = 3, 4
ALLOW = 3
ANY = "*"


@dataclass(frozen=True)
class Acl:
    """What a user may do with a resource, or with all whose names begin so; read and write include describe."""

    user: str
    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    why: str
    prefixed: bool = False

    def __str__(self) -> str:
        name = self.name + ANY if self.prefixed else self.name
        return f"{self.user}: {self.resource} {name}: {', '.join(self.operations)} ({self.why})"

    @property
    def rows(self) -> Iterator[tuple[int, str, int, str, str, int, int]]:
        """A row for each operation, as the protocol has them."""
        # Every name begins with an empty prefix, and Kafka takes no empty name.
        name, pattern = (self.name, PREFIXED) if self.prefixed and self.name else (self.name or ANY, LITERAL)
        for operation in self.operations:
            yield RESOURCES[self.resource], name, pattern, f"User:{self.user}", ANY, OPERATIONS[operation], ALLOW


def acls(prefix: str, services: str, clients: Iterable[str]) -> list[Acl]:
    """What the services' user needs in a registry with this topic prefix, and each user of pipelines or deployers."""
    needed = [
        Acl(services, "topic", prefix, ("read", "write", "create", "describe configs"), "answer and publish", True),
        Acl(services, "group", prefix, ("read",), "a group for each service", True),
        Acl(services, "transactional id", f"{prefix}relay", ("write",), "a single relay publishes"),
        Acl(services, "transactional id", ANY, ("describe",), "name who leaves a transaction open"),
    ]
    for user in clients:
        for kind, event in BY_TYPE.items():
            if issubclass(event, Fact):
                needed.append(Acl(user, "topic", prefix + kind, ("read",), "facts, which only modelog writes"))
            else:
                needed.append(Acl(user, "topic", prefix + kind, ("write",), "reports and requests"))
        needed.append(Acl(user, "group", f"{prefix}{user}-", ("read",), "groups of its own", True))
    return needed


async def allow(settings: Settings, needed: Sequence[Acl]) -> None:
    """Make these ACLs; raise what Kafka raises, ClusterAuthorizationFailedError for who is no administrator."""
    async with administration(settings) as admin:
        answer: Any = await admin._send_request(CreateAcls([row for acl in needed for row in acl.rows]))
    for code, reason in answer.creation_responses:
        if code:
            raise for_code(code)(reason)


class CreateAcls(CreateAclsRequest):  # type: ignore[misc]  # aiokafka is not typed
    """Several ACLs in a request: aiokafka's own has only one."""

    def __init__(self, rows: list[tuple[int, str, int, str, str, int, int]]) -> None:
        self._rows = rows

    def build(self, struct: Any) -> Any:
        return struct(self._rows)


def main() -> None:
    """Make the ACLs for the users of the command line, and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m operations acls", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", required=True, metavar="USER", help="who the services log in as")
    parser.add_argument("--clients", nargs="*", default=[], metavar="USER", help="pipelines, monitors, deployers")
    parser.add_argument("--print", action="store_true", help="print the ACLs, and make none")
    arguments = parser.parse_args()
    chosen = settings()
    needed = acls(chosen.topic_prefix, arguments.services, arguments.clients)
    if not arguments.print:
        asyncio.run(allow(chosen, needed))
    for acl in needed:
        print(acl)
