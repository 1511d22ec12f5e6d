"""`python -m stack up`, `down` and `minio`."""

import argparse
import sys

from stack.checkout import FOLDER
from stack.daemon import run_daemon
from stack.minio import build
from stack.psql import psql
from stack.terminal import StackError, print_line
from stack.up import down, up


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack", description="Kafka, Postgres, S3 and the services, here.")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start everything, return when it is ready, and print the addresses")
    stop = commands.add_parser("down", help="end what `up` started; the data stays")
    stop.add_argument("--erase", action="store_true", help="delete the data too")
    commands.add_parser("psql", help="ask the registry that `up` started; what follows goes to psql unchanged")
    commands.add_parser("minio", help="build MinIO's server into the cache, for `make test-minio`")
    daemon = commands.add_parser("daemon", help="the process that `up` leaves in the background")
    for command in (start, daemon):
        command.add_argument("--servers-only", action="store_true", help="Kafka, Postgres and S3, without the services")
    arguments, others = parser.parse_known_args()
    if others and arguments.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        match arguments.command:
            case "up":
                up(servers_only=arguments.servers_only)
            case "daemon":
                run_daemon(servers_only=arguments.servers_only)
            case "down":
                down(erase=arguments.erase)
            case "psql":
                psql(others)
            case "minio":
                build()
    except StackError as error:
        print_line(str(error))
        return 1
    except OSError as error:  # a full disk, or a folder of another user
        print_line(f"{error}. Data and logs are in {FOLDER}.")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
