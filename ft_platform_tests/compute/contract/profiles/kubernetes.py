"""A stand-in for a cluster, whose pods are processes of this machine."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ft_platform_tests.compute.kubernetes_cluster import IMAGE, NAMESPACE, Cluster

RAN_AGAINST, COMPONENT = "stand-in", "kubernetes"
NOT_RUN = {
    "preempted": "only a real scheduler preempts; the stand-in plays it (test_kubernetes.py)",
    "machine_lost": "only a real cluster loses a node; the stand-in plays it (test_kubernetes.py)",
    "no_capacity": "only a real scheduler has no room; the stand-in plays it (test_kubernetes.py)",
    "out_of_memory": "the stand-in limits no memory",
}
REFUSED = {"namespace": "nowhere"}


@cache
def cluster() -> Cluster:
    folder = Path(tempfile.mkdtemp(prefix="ft-kubernetes-"))
    made = Cluster(folder)
    os.environ["KUBECONFIG"] = str(made.kubeconfig)
    atexit.register(lambda: (made.stop(), shutil.rmtree(folder, ignore_errors=True)))
    return made


def settings() -> dict[str, Any]:
    if not find_spec("kubernetes"):
        pytest.skip("Kubernetes' client is missing: pip install 'ft-platform[kubernetes]'")
    cluster()
    return {"options": {"image": IMAGE, "namespace": NAMESPACE}}


def jobs() -> list[str]:
    return cluster().unfinished()


def preempt() -> None:
    for one in cluster().running():
        one.disrupt("PreemptionByScheduler")


def lose_machine() -> None:
    for one in cluster().running():
        one.disrupt("DeletionByPodGC", by_force=True)


@contextmanager
def full() -> Iterator[None]:
    cluster().full = True
    try:
        yield
    finally:
        cluster().full = False


@contextmanager
def expired() -> Iterator[None]:
    cluster().expired = True
    try:
        yield
    finally:
        cluster().expired = False
