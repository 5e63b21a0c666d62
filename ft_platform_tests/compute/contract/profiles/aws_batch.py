"""A stand-in for AWS Batch on this machine, and its faults."""

from typing import Any

import pytest

from ft_platform_tests.compute.batch_service import Service
from ft_platform_tests.compute.contract.service_profile import ServiceProfile, not_run

RAN_AGAINST = "stand-in"
NOT_RUN = not_run("AWS", "test_aws_batch.py")
REFUSED = {"queue": "nowhere"}
PLAYED = ServiceProfile(Service)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("boto3", reason="extra `aws`")
    return {"options": {"queue": "gpu", "definition": "worker", "nodes_definition": "workers"}}
