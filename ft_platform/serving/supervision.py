"""A server that is started again whenever it dies: by this process, by systemd, or by Docker Compose."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from fsspec.implementations.local import LocalFileSystem

from ft_platform import __version__
from ft_platform.lake.files import write_bytes
from ft_platform.process.family import started

PR_SET_PDEATHSIG = 1
SHORT_SECONDS, MOST_SHORT = 10.0, 5
"""A server that lives shorter than this, so many times in a row, is not started again."""
LONGEST_PAUSE = 5.0
REFUSED = 2
"""Exit code of a command with wrong settings."""


def kept_running(words: Sequence[str], noted: Path) -> int:
    """Runs `ft` with these words until it ends by itself or this process is asked to stop.

    Args:
        noted: file that names this process meanwhile, for `stop`.

    Returns:
        The exit code of the last one.
    """
    command = [sys.executable, "-m", "ft_platform.cli", *words]
    stopped: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def asked_to_stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        for process in running:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked_to_stop)
    write_bytes(LocalFileSystem(), str(noted), f"{os.getpid()} {started(os.getpid())} {noted.absolute()}".encode())
    short = 0
    while True:
        begun = time.monotonic()
        process = subprocess.Popen(command, preexec_fn=partial(_ends_with, os.getpid()))
        running[:] = [process]
        if stopped:  # while it did not stand in `running`
            process.terminate()
        code = process.wait()
        lived = time.monotonic() - begun
        short = short + 1 if lived < SHORT_SECONDS else 0
        if stopped or code in (0, REFUSED) or short == MOST_SHORT:
            noted.unlink(missing_ok=True)
            return code if code >= 0 else 128 - code
        print(f"ft serve: ended after {lived:.0f} seconds (code {code}), is started again", file=sys.stderr, flush=True)
        time.sleep(min(0.2 * 2**short, LONGEST_PAUSE))


def stop(noted: Path) -> bool:
    """Ends what `kept_running` runs; False if nothing does, or the file came here with a copy of a home."""
    try:
        pid, since, *place = noted.read_text(encoding="utf-8").split(maxsplit=2)
    except (FileNotFoundError, ValueError):
        return False
    if place not in ([], [str(noted.absolute())]):  # files of earlier versions have none
        return False
    if started(int(pid)) != since:  # it was killed, and the number may be another's
        return False
    os.kill(int(pid), signal.SIGTERM)
    return True


def _ends_with(parent: int) -> None:
    """Ends a server whose supervisor is killed: the next one needs its port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def systemd_unit(variables: Mapping[str, str], words: Sequence[str]) -> str:
    """A unit of systemd.

    Args:
        variables: of the installation (`Environment.to_variables`). Addresses with a password are left out: a unit can
            be read by everybody, and the server asks none of them.
        words: of the command `ft`.
    """
    given = _without_passwords(variables)
    command = [sys.executable, "-m", "ft_platform.cli", *words]
    return f"""[Unit]
Description=Released models of ft_platform
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={" ".join(_quoted(word).replace("$", "$$") for word in command)}
{chr(10).join(f"Environment={_quoted(f'{name}={value}')}" for name, value in given.items())}
Restart=always
RestartSec=1
TimeoutStopSec=30
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ReadWritePaths={" ".join(map(_quoted, _outermost(given["FT_HOME"], given["FT_CACHE"])))}

[Install]
WantedBy=multi-user.target"""


def compose_service(variables: Mapping[str, str], words: Sequence[str]) -> str:
    """A service of Docker Compose, in the image of `infra/docker/Dockerfile.server`, which sees the folders of the
    installation at the places where they are here. Arguments as `systemd_unit`."""
    import yaml

    given = {name: value.replace("$", "$$") for name, value in _without_passwords(variables).items()}
    lake = [given["FT_LAKE_ROOT"]] if "://" not in given["FT_LAKE_ROOT"] else []
    folders = _outermost(given["FT_HOME"], given["FT_DEFS"], given["FT_CACHE"], *lake)
    service = {
        "image": f"ft-platform-server:{__version__}",
        "command": ["ft", *(word.replace("$", "$$") for word in words)],
        "environment": given,
        "volumes": [{"type": "bind", "source": folder, "target": folder} for folder in folders],
        "network_mode": "host",
        "restart": "always",
        "stop_grace_period": "30s",
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    return yaml.safe_dump({"services": {"ft-serve": service}}, sort_keys=False).rstrip()


def _without_passwords(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value and not urlsplit(value).password}


def _quoted(word: str) -> str:
    """A word of a unit (systemd.syntax(7), "Quoting"), in which `%` begins a specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped.replace("%", "%%")}"'


def _outermost(*folders: str) -> list[str]:
    """Without those that lie in another one."""
    return [one for one in sorted(set(folders)) if not any(one.startswith(f"{other}/") for other in folders)]
