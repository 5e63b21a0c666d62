"""A stand-in for training jobs of Amazon SageMaker AI on this machine, and its faults."""

from typing import Any

import pytest

from ft_platform_tests.compute.contract.service_profile import ServiceProfile, not_run
from ft_platform_tests.compute.sagemaker_service import IMAGE, ROLE, Service

RAN_AGAINST = "stand-in"
NOT_RUN = not_run("AWS", "test_aws_sagemaker.py")
REFUSED = {"image": "none"}
PLAYED = ServiceProfile(Service)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("boto3", reason="extra `aws`")
    return {"options": {"image": IMAGE, "role": ROLE, "instance": "ml.g5.xlarge", "output": "s3://b/out"}}
