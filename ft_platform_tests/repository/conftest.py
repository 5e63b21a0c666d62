"""Programs in a network namespace of their own: the machine's network is not there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ASKS = """
import socket
for ask in (lambda: socket.create_connection(("1.1.1.1", 443), 3), lambda: socket.getaddrinfo("pypi.org", 443)):
    try:
        ask()
    except OSError as error:
        print(type(error).__name__)
    else:
        raise SystemExit("the network is open")
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 3)
"""
"""A public address and a public name cannot be reached; this machine itself can."""


@pytest.fixture
def no_network() -> Run:
    """Runs a command where there is no network but the loopback; that this is so is tried before."""
    # Without root, a namespace of users makes one of networks possible.
    inside = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    start = [*inside, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not shutil.which("unshare") or not shutil.which("ip") or subprocess.run([*start, "true"]).returncode:
        pytest.skip("this account cannot make a network namespace (unshare, ip)")

    def run(command: list[str], variables: Mapping[str, str], seconds: int = 300) -> "subprocess.CompletedProcess[str]":
        tried = subprocess.run([*start, sys.executable, "-c", ASKS], capture_output=True, text=True, timeout=60)
        assert (tried.returncode, tried.stdout) == (0, "OSError\ngaierror\n"), tried.stderr
        return subprocess.run([*start, *command], env=variables, capture_output=True, text=True, timeout=seconds)

    return run
