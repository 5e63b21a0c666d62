"""A real Slurm cluster on this machine, started once, and its faults."""

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

from ft_platform_tests.compute.slurm_cluster import CGROUPS, Cluster, missing

RAN_AGAINST, COMPONENT = "real", "slurm"
NOT_RUN = {} if CGROUPS.exists() else {"out_of_memory": "this machine has no control groups of version 1"}
REFUSED = {"partition": "nowhere"}


@cache
def cluster() -> Cluster:
    folder = Path(tempfile.mkdtemp(prefix="ft-slurm-"))
    made = Cluster(folder / "cluster")
    atexit.register(lambda: (made.stop(), shutil.rmtree(folder, ignore_errors=True)))
    return made


def settings() -> dict[str, Any]:
    if what := missing():
        pytest.skip(f"Slurm's {what} is missing: apt-get install --no-install-recommends slurm-wlm")
    os.environ["PATH"] = f"{cluster().commands}:{os.environ['PATH']}"
    return {"options": {"partition": "low", "logs": str(cluster().folder)}}


def jobs() -> list[str]:
    return cluster().jobs()


def preempt() -> None:
    """By a job of a partition that comes before, on all nodes."""
    other = cluster().ask("sbatch", "--parsable", "-p", "high", "-N2", "-o", "/dev/null", "--wrap", "sleep 1").strip()
    cluster().until(lambda: "COMPLETED" in cluster().ask("scontrol", "show", "job", other))


def lose_machine() -> None:
    """Slurm notices after `SlurmdTimeout`, and runs the job on the other node."""
    node = cluster().ask("squeue", "-h", "-o", "%N", "-t", "R").strip()
    cluster().kill(node)


def mend() -> None:
    for node in cluster().nodes:
        if not (cluster().folder / f"{node}.pid").exists():
            cluster().start_node(node)
    cluster().until(lambda: cluster().ask("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split() == ["idle", "idle"])


@contextmanager
def full() -> Iterator[None]:
    """Both nodes are taken."""
    words = ("sbatch", "--parsable", "-p", "high", "-N2", "--exclusive", "-J", "other", "-o", "/dev/null")
    other = cluster().ask(*words, "--wrap", "sleep 100").strip()
    try:
        yield
    finally:
        cluster().ask("scancel", other)


@contextmanager
def expired() -> Iterator[None]:
    """The socket that gives Slurm's commands their credentials is gone."""
    places = "/run/slurm/sack.socket", "/run/slurmctld/sack.socket"
    for place in places:
        cluster().ask("mv", place, f"{place}.away")
    try:
        yield
    finally:
        for place in places:
            cluster().ask("mv", f"{place}.away", place)
