"""A stand-in for Hugging Face Jobs on this machine, and its faults."""

from typing import Any

import pytest

from ft_platform_tests.compute.contract.service_profile import ServiceProfile
from ft_platform_tests.compute.hf_jobs_service import NAMESPACE, Service

RAN_AGAINST = "stand-in"
NOT_RUN = {
    "preempted": "Hugging Face says of no job that its machine was taken",
    "machine_lost": "Hugging Face says of no job that its machine was lost",
    "no_capacity": "only Hugging Face has no room; the stand-in plays it (test_hf_jobs.py)",
    "out_of_memory": "the stand-in limits no memory",
    "worker_killed": "Hugging Face does not publish how it says exit codes",
}
REFUSED = {"flavor": "none"}
PLAYED = ServiceProfile(Service)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("huggingface_hub", reason="extra `hf_jobs`")
    return {"options": {"image": "ft-worker:0.3", "flavor": "cpu-basic", "namespace": NAMESPACE}}


def attributes() -> dict[str, Any]:
    """Of this process, where the tests keep the Hub away."""
    return {"huggingface_hub.constants.HF_HUB_OFFLINE": False}
