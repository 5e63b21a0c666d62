"""Code locations of `ft ui`: one for the use cases without an account of their own, and one for each of the others, in a process of that account."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from ft_platform.environment import Environment
from ft_platform.errors import ConfigError
from ft_platform.identities import identity_of, own_home, prepare

MODULE = "ft_platform.definitions"
START_SECONDS = 120


def workspace(environment: Environment) -> str:
    """The workspace file: the module, and the socket of each use case with an account of its own."""
    shared = {"python_module": {"module_name": MODULE, "location_name": "ft_platform"}}
    own = [{"grpc_server": {"socket": str(_socket(environment, name)), "location_name": name}} for name in sorted(environment.identities)]
    return yaml.safe_dump({"load_from": [shared, *own]}, sort_keys=False)


def _socket(environment: Environment, use_case: str) -> Path:
    # In the home of the account: whoever can open the socket can have the server read files for him.
    return own_home(environment, use_case) / "code.sock"


def check_accounts(environment: Environment) -> None:
    """Prepares the homes of all accounts.

    Raises:
        ConfigError: this is not root, or the web server would hand out files that a use case's code can name.
    """
    if not environment.identities:
        return
    if os.geteuid() != 0:
        raise ConfigError([f"{len(environment.identities)} use cases run under accounts of their own (`identities`)"], "Start it as root: sudo ft ui")
    import dagster as dg
    from dagster._core.storage.cloud_storage_compute_log_manager import CloudStorageComputeLogManager
    from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

    for name in environment.identities:
        if identity := identity_of(environment, name):
            prepare(environment, name, identity)
    with dg.DagsterInstance.from_config(str(environment.dagster_home)) as instance:
        kept_apart = isinstance(instance.compute_log_manager, NoOpComputeLogManager | CloudStorageComputeLogManager)
    if not kept_apart:
        raise ConfigError(
            ["with `identities` compute logs must not lie on this machine: the web server would read for one use case what it links to in another's folder"],
            f"In {environment.dagster_home}/dagster.yaml: compute_logs: {{module: {NoOpComputeLogManager.__module__}, class: NoOpComputeLogManager}}",
        )
    os.umask(0o007)  # what Dagster makes from now on is for the group of the accounts too


@contextmanager
def code_servers(environment: Environment) -> Iterator[None]:
    """The code servers of all accounts while the block runs.

    Raises:
        ConfigError: one of them does not start.
    """
    started: dict[str, subprocess.Popen] = {}
    try:
        for name in environment.identities:
            _socket(environment, name).unlink(missing_ok=True)
            serve = ["-m", "dagster", "code-server", "start", "--socket", str(_socket(environment, name)), "--location-name", name, "-m", MODULE]
            started[name] = subprocess.Popen([sys.executable, "-m", "ft_platform.identities", name, "-W", "ignore", *serve])
        deadline = time.monotonic() + START_SECONDS
        for name, process in started.items():
            while not _socket(environment, name).exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ConfigError(
                        [f"the code location of {name} did not start under its account {environment.identities[name]}"], "Its last messages say why"
                    )
                time.sleep(0.1)
        yield
    finally:
        for process in started.values():
            process.terminate()
