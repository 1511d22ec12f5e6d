"""The Docker engine of this machine."""

import shutil
import subprocess
from functools import cache
from urllib.parse import urlsplit

from stack.terminal import print_line

ANSWER_SECONDS = 10.0
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def docker_answers() -> bool:
    """Whether an engine on this machine answers; the client alone is not enough."""
    problem = engine_problem()
    if "did not answer" in problem:
        print_line(f"{problem} MODELOG_STACK=native leaves out the question.")
    return not problem


@cache
def engine_problem() -> str:
    """Why no containers can be started for this machine, as a sentence; "" where they can."""
    if not shutil.which("docker"):
        return "There is no program `docker` on the PATH."
    try:
        version = ask("version", "--format", "{{.Server.Version}}")
        endpoint = ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    except subprocess.TimeoutExpired:
        return f"The Docker engine did not answer within {ANSWER_SECONDS:.0f} s."
    if version.returncode:
        lines = version.stderr.strip().splitlines() or ["`docker version` failed"]
        return f"No Docker engine answers: {lines[-1].rstrip('.')}."
    # Only `docker context` knows the address; where a client has no contexts, it has an engine on this machine.
    if not endpoint.returncode and not is_local(host := endpoint.stdout.strip()):
        return f"The Docker engine at {host} is on another machine, and so would be the ports of its containers."
    return ""


def ask(*question: str) -> subprocess.CompletedProcess[str]:
    """Run `docker`; raise TimeoutExpired where it takes too long."""
    return subprocess.run(["docker", *question], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)


def is_local(endpoint: str) -> bool:
    """Whether this address of an engine, such as unix:///var/run/docker.sock, is on this machine."""
    address = urlsplit(endpoint)
    return address.scheme in ("", "unix", "npipe") or address.hostname in LOCAL_HOSTS
