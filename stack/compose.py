"""The same servers and services from compose.yaml, where a Docker engine answers."""

import os
import subprocess

from stack.addresses import Addresses
from stack.checkout import FOLDER, ROOT
from stack.ports import kept_port
from stack.postgres import OWNER, READER, SERVICE
from stack.secret import kept_secret, write_privately
from stack.terminal import StackError

SERVERS = ["kafka", "postgres", "s3"]
SETTINGS = FOLDER / "compose.env"


def up(*, servers_only: bool) -> Addresses:
    """Start the containers, wait until all are healthy, and return their addresses on this machine."""
    kafka, postgres, s3 = (kept_port(FOLDER / f"compose-{name}-port") for name in SERVERS)
    # The owner's is that of the time when there was no other login.
    owner, app, ask, secret = (
        kept_secret(FOLDER / f"compose-{name}-secret")
        for name in ("postgres", f"postgres-{SERVICE}", f"postgres-{READER}", "s3")
    )
    settings = {
        "MODELOG_KAFKA_PORT": kafka,
        "MODELOG_POSTGRES_PORT": postgres,
        "MODELOG_S3_PORT": s3,
        "MODELOG_POSTGRES_OWNER_PASSWORD": owner,
        "MODELOG_POSTGRES_PASSWORD": app,
        "MODELOG_POSTGRES_READER_PASSWORD": ask,
        "MODELOG_S3_ACCESS_KEY": "modelog",
        "MODELOG_S3_SECRET_KEY": secret,
    }
    write_privately(SETTINGS, "".join(f"{key}={value}\n" for key, value in settings.items()))
    compose("up", "--detach", "--wait", "--build", *(SERVERS if servers_only else []))
    return Addresses(
        kafka=f"127.0.0.1:{kafka}",
        postgres=f"postgresql://{SERVICE}:{app}@127.0.0.1:{postgres}/modelog",
        postgres_owner=f"postgresql://{OWNER}:{owner}@127.0.0.1:{postgres}/modelog",
        postgres_reader=f"postgresql://{READER}:{ask}@127.0.0.1:{postgres}/modelog",
        s3_endpoint=f"http://127.0.0.1:{s3}",
        s3_access_key="modelog",
        s3_secret_key=secret,
    )


def down(*, erase: bool) -> None:
    """End the containers; with `erase`, delete their volumes too."""
    compose("down", *(["--volumes"] if erase else []))


def compose(*command: str) -> None:
    """Run Docker Compose, which prints its own progress and errors."""
    # Compose prefers the shell's variables, which may be those of other servers, to the file's.
    lines = SETTINGS.read_text().splitlines() if SETTINGS.exists() else []
    env = os.environ | dict(line.split("=", 1) for line in lines)
    done = subprocess.run(["docker", "compose", "--env-file", str(SETTINGS), *command], cwd=ROOT, env=env, check=False)
    if done.returncode:
        raise StackError(f"docker compose {command[0]} failed, see above. MODELOG_STACK=native works without Docker.")
