"""The same broker with TLS, passwords (SCRAM) and access control: nobody does what no ACL allows."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from typing_extensions import override

from stack import probes
from stack.certificates import kept_certificates
from stack.kafka import Kafka
from stack.secret import kept_secret, write_privately

User = Literal["admin", "services", "clients"]
USERS: tuple[User, ...] = ("admin", "services", "clients")
"""`admin` is the broker too, and may do everything; the others only what ACLs allow, and there are none at first."""

SCRAM = "SCRAM-SHA-512"
JAAS = 'org.apache.kafka.common.security.{module} required username="admin" password="{password}"'


def login(home: Path, user: User) -> dict[str, str]:
    """The MODELOG_KAFKA_* variables with which this user logs in to the broker in `home`."""
    return {
        "MODELOG_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "MODELOG_KAFKA_SASL_MECHANISM": SCRAM,
        "MODELOG_KAFKA_USERNAME": user,
        "MODELOG_KAFKA_PASSWORD": _password(home, user),
        "MODELOG_KAFKA_CA_FILE": str(kept_certificates(home / "tls").authority),
    }


def _password(home: Path, user: User) -> str:
    return kept_secret(home / f"{user}-secret")


class SecuredKafka(Kafka):
    """A broker with the listener SASL_SSL alone; its controller takes TLS and a password too."""

    secured = True

    @override
    def security(self) -> Mapping[str, str]:
        return login(self.home, "services")

    @override
    def ask(self) -> None:
        probes.kafka(
            self.address,
            security_protocol="SASL_SSL",
            ssl_context=ssl.create_default_context(cafile=kept_certificates(self.home / "tls").authority),
            sasl_mechanism=SCRAM,
            sasl_plain_username="admin",
            sasl_plain_password=_password(self.home, "admin"),
        )

    @override
    def format_options(self) -> list[str]:
        # In a file, because every user of the machine can read the arguments of a program.
        file = self.home / "users"
        users = (f"[name={user},password={_password(self.home, user)}]" for user in USERS)
        write_privately(file, "".join(f"--add-scram\n{SCRAM}={user}\n" for user in users))
        return [f"@{file}"]

    @override
    def settings(self, controller: str) -> Mapping[str, object]:
        certificates, password = kept_certificates(self.home / "tls"), _password(self.home, "admin")
        plain = f'{JAAS.format(module="plain.PlainLoginModule", password=password)} user_admin="{password}";'
        scram = f"{JAAS.format(module='scram.ScramLoginModule', password=password)};"
        return {
            **super().settings(controller),
            "listeners": f"SASL_SSL://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"SASL_SSL://{self.address}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": SCRAM,
            "sasl.enabled.mechanisms": SCRAM,
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
            # SCRAM needs the users of the metadata, which the controller does not have before it runs.
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": certificates.server,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": certificates.authority,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin",
            "allow.everyone.if.no.acl.found": "false",
        }
