"""A stand-in for a cluster. Its pods run in podman where FT_TEST_CONTAINERS names a folder for images, and else are
processes of this machine."""

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

from ft_platform_tests.compute.contract.case import CONTRACT, Case
from ft_platform_tests.compute.kubernetes_cluster import IMAGE, NAMESPACE, Cluster
from ft_platform_tests.compute.podman_pods import Claims, PodmanPod, prepare
from ft_platform_tests.infra.containers import missing

IN_PODMAN = not missing()
RAN_AGAINST, COMPONENT = "stand-in", "kubernetes"
server = "pods in podman" if IN_PODMAN else ""
NOT_RUN = {
    "preempted": "only a real scheduler preempts; the stand-in plays it (test_kubernetes.py)",
    "machine_lost": "only a real cluster loses a node; the stand-in plays it (test_kubernetes.py)",
    "no_capacity": "only a real scheduler has no room; the stand-in plays it (test_kubernetes.py)",
    **({} if IN_PODMAN else {"out_of_memory": "pods were processes, whose memory nobody limits"}),
}
REFUSED = {"namespace": "nowhere"}


@cache
def cluster() -> Cluster:
    folder = Path(tempfile.mkdtemp(prefix="ft-kubernetes-"))
    made = Cluster(folder, PodmanPod if IN_PODMAN else None)
    atexit.register(lambda: (made.stop(), shutil.rmtree(folder, ignore_errors=True)))
    return made


def settings() -> dict[str, Any]:
    if not find_spec("kubernetes"):
        pytest.skip("Kubernetes' client is missing: pip install 'ft-platform[kubernetes]'")
    os.environ["KUBECONFIG"] = str(cluster().kubeconfig)
    return {"options": {"image": IMAGE, "namespace": NAMESPACE}}


@cache
def claims() -> Claims:
    prepare()
    made = Claims(Path(tempfile.mkdtemp(prefix="ft-claims-")))
    atexit.register(lambda: (made.remove(), shutil.rmtree(made.folder, ignore_errors=True)))
    return made


def volumes(*folders: Path) -> dict[str, Any]:
    """Options by which pods see folders of this machine, under the same paths. A process sees them anyway."""
    seen = [f"{claims().of(path)}:{path}" for path in folders] if IN_PODMAN else []
    return {"volumes": ",".join(seen)} if seen else {}


def let_in(case: Case) -> None:
    case.settings["options"] |= {"memory_gib": 0.9, **volumes(case.folder, CONTRACT / "programs")}


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
