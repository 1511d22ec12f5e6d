"""`python -m stack up` and `down`."""

import argparse
import sys

from stack.daemon import run_daemon
from stack.terminal import StackError, say
from stack.up import down, up


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m stack", description="Kafka, Postgres, S3 and the services, here.")
    orders = parser.add_subparsers(dest="order", required=True)
    begin = orders.add_parser("up", help="start everything, return when it answers, and print where")
    finish = orders.add_parser("down", help="end what `up` began; the data stays")
    finish.add_argument("--erase", action="store_true", help="delete the data too")
    keep = orders.add_parser("daemon", help="what `up` leaves in the background")
    for one in (begin, keep):
        one.add_argument("--servers-only", action="store_true", help="only Kafka, Postgres and S3, not the services")
    order = parser.parse_args()
    try:
        match order.order:
            case "up":
                up(servers_only=order.servers_only)
            case "daemon":
                run_daemon(servers_only=order.servers_only)
            case "down":
                down(erase=order.erase)
    except StackError as sentence:
        say(str(sentence))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
