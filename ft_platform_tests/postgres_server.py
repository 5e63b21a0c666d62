"""A PostgreSQL server of its own on a free port; user `owner`, password `a test password`."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ft_platform.orchestration.instance import INSTANCE_SETTINGS, prepare_home
from ft_platform.use_case.settings.environment import Environment


def postgres_binary(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name) or next((str(folder / name) for folder in folders if (folder / name).exists()), None)


def is_there() -> bool:
    return bool(postgres_binary("initdb") and postgres_binary("postgres"))


@contextmanager
def postgres_server() -> Iterator[int]:
    """Its port; it is ended afterwards."""
    initdb, server = postgres_binary("initdb"), postgres_binary("postgres")
    assert initdb and server
    as_user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ft-pg-", dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        data = f"{folder}/data"
        password = Path(folder) / "password"
        password.write_text("a test password")
        password.chmod(0o644)
        words = ["-U", "owner", "--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-sync"]
        subprocess.run([initdb, "-D", data, *words], check=True, capture_output=True, cwd="/", **as_user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = ["-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-F"]
        process = subprocess.Popen(
            [server, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_user
        )
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def keep_instance_there(environment: Environment, port: int, runs: int = 10) -> None:
    """Dagster's instance of an installation keeps what it keeps in a database of the server.

    Args:
        runs: that go on at once.
    """
    settings = yaml.safe_load(INSTANCE_SETTINGS.read_text())
    url = f"postgresql+psycopg2://owner:a%20test%20password@127.0.0.1:{port}/postgres"
    settings["storage"] = {"postgres": {"postgres_url": url}}
    settings["concurrency"]["runs"] = {"max_concurrent_runs": runs}
    environment.dagster_home.mkdir(parents=True)
    (environment.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    prepare_home(environment)


def _wait(port: int) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(
                f"host=127.0.0.1 port={port} user=owner password='a test password' dbname=postgres", connect_timeout=2
            ).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise RuntimeError("the PostgreSQL server did not start")
