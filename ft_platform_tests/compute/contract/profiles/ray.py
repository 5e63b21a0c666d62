"""A real Ray cluster on this machine, started once, and its faults."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ft_platform_tests.compute.ray_cluster import Cluster, missing

RAN_AGAINST, COMPONENT = "real", "ray_cluster"
NOT_RUN = {"out_of_memory": "Ray limits no memory of a job: it ends workers where a whole node has none left"}
REFUSED = {"python": "/nowhere/python"}


@cache
def cluster() -> Cluster:
    folder = Path(tempfile.mkdtemp(prefix="ft-ray-"))
    made = Cluster(folder)
    atexit.register(lambda: (made.stop(), shutil.rmtree(folder, ignore_errors=True)))
    return made


def settings() -> dict[str, Any]:
    if what := missing():
        pytest.skip(f"of Ray's dashboard {what} is missing: pip install 'ft-platform[ray]'")
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(cluster().token_file)
    return {"options": {"address": cluster().address}}


def jobs() -> list[str]:
    return [str(one["submission_id"]) for one in cluster().unfinished()]


def preempt() -> None:
    """As an autoscaler says that a node is about to be taken away, and takes it once nothing runs there any more."""
    name = cluster().busy()
    cluster().drain(name)
    cluster().until(lambda: name not in cluster().working())
    cluster().kill(name)
    cluster().mend()


def lose_machine() -> None:
    cluster().kill(cluster().busy())


def mend() -> None:
    cluster().mend()


@contextmanager
def full() -> Iterator[None]:
    """Both nodes are taken."""
    others = [f"other-{number}" for number in range(2)]
    for name in others:
        taken = {"submission_id": name, "entrypoint": "exec sleep 100", "entrypoint_num_cpus": 1}
        cluster().ask("POST", "/api/jobs/", taken)
    cluster().until(lambda: len([one for one in cluster().unfinished() if one["status"] == "RUNNING"]) >= 2)
    try:
        yield
    finally:
        for name in others:
            cluster().ask("POST", f"/api/jobs/{name}/stop")
        cluster().until(lambda: not {one["submission_id"] for one in cluster().unfinished()} & set(others))
        for name in others:
            cluster().ask("DELETE", f"/api/jobs/{name}")


@contextmanager
def expired() -> Iterator[None]:
    """The token of the orchestrator is one that the dashboard does not know."""
    cluster().token_file.write_text("0" * 64)
    try:
        yield
    finally:
        cluster().token_file.write_text(cluster().token)
