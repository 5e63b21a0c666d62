"""A stand-in for Vertex AI on this machine, and its faults."""

from typing import TYPE_CHECKING, Any

import pytest

from ft_platform_tests.compute.contract.service_profile import ServiceProfile, not_run

if TYPE_CHECKING:
    from ft_platform_tests.compute.vertex_service import Vertex

RAN_AGAINST = "stand-in"
NOT_RUN = not_run("Google", "test_gcp_vertex.py")
REFUSED = {"machine_type": "no-machine-1"}


def made() -> "Vertex":
    from ft_platform_tests.compute.vertex_service import Vertex

    return Vertex()


PLAYED = ServiceProfile(made)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("google.auth", reason="extra `gcp`")
    pytest.importorskip("googleapiclient", reason="google-api-python-client, which brings the discovery documents")
    from ft_platform_tests.compute.vertex_service import IMAGE, PROJECT, REGION

    return {"options": {"project": PROJECT, "region": REGION, "image": IMAGE, "machine_type": "n2-standard-8"}}
