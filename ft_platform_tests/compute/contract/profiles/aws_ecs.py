"""A stand-in for Amazon ECS on this machine, and its faults."""

from typing import Any

import pytest

from ft_platform_tests.compute.contract.service_profile import ServiceProfile, not_run
from ft_platform_tests.compute.ecs_service import CLUSTER, DEFINITION, Service

RAN_AGAINST = "stand-in"
NOT_RUN = not_run("AWS", "test_aws_ecs.py")
REFUSED = {"definition": "nothing"}
PLAYED = ServiceProfile(Service)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("boto3", reason="extra `aws`")
    return {"options": {"cluster": CLUSTER, "definition": DEFINITION, "subnets": "subnet-1"}}
