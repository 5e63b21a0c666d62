"""A server that is started again whenever it dies: by this process, by systemd, or by Docker Compose."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType

PR_SET_PDEATHSIG = 1
SHORT_SECONDS, MOST_SHORT = 10.0, 5
"""A server that lives shorter than this, so many times in a row, is not started again."""
LONGEST_PAUSE = 5.0
REFUSED = 2
"""Exit code of a command with wrong settings."""


def kept_running(words: Sequence[str]) -> int:
    """Runs `ft` with these words until it ends by itself or this process is asked to stop.

    Returns:
        The exit code of the last one.
    """
    command = [sys.executable, "-m", "ft_platform.cli", *words]
    stopped: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        for process in running:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    short = 0
    while True:
        started = time.monotonic()
        process = subprocess.Popen(command, preexec_fn=partial(_ends_with, os.getpid()))
        running[:] = [process]
        code = process.wait()
        lived = time.monotonic() - started
        short = short + 1 if lived < SHORT_SECONDS else 0
        if stopped or code in (0, REFUSED) or short == MOST_SHORT:
            return code if code >= 0 else 128 - code
        print(f"ft serve: ended after {lived:.0f} seconds (code {code}), is started again", file=sys.stderr, flush=True)
        time.sleep(min(0.2 * 2**short, LONGEST_PAUSE))


def _ends_with(parent: int) -> None:
    """Ends a server whose supervisor is killed: the next one needs its port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def systemd_unit(variables: Mapping[str, str], words: Sequence[str]) -> str:
    """A unit of systemd.

    Args:
        variables: of the installation, without secrets (`Environment.to_variables`).
        words: of the command `ft`.
    """
    lines = "\n".join(f'Environment="{name}={value}"' for name, value in variables.items() if value)
    return f"""[Unit]
Description=Released models of ft_platform
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={shlex.join([sys.executable, "-m", "ft_platform.cli", *words])}
{lines}
Restart=always
RestartSec=1
TimeoutStopSec=30
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ReadWritePaths={shlex.quote(variables["FT_HOME"])}

[Install]
WantedBy=multi-user.target"""


def compose_service(variables: Mapping[str, str], words: Sequence[str]) -> str:
    """A service of Docker Compose, in the image of `infra/docker/Dockerfile.worker`, which sees the folders of the
    installation at the places where they are here. Arguments as `systemd_unit`."""
    import yaml

    given = {name: value for name, value in variables.items() if value}
    folders = sorted({given["FT_HOME"], given["FT_DEFS"]})
    service = {
        "image": "ft-platform-worker:0.2.0",
        "command": ["ft", *words],
        "environment": given,
        "volumes": [f"{folder}:{folder}" for folder in folders],
        "network_mode": "host",
        "restart": "always",
        "stop_grace_period": "30s",
        "security_opt": ["no-new-privileges:true"],
    }
    return yaml.safe_dump({"services": {"ft-serve": service}}, sort_keys=False).rstrip()
