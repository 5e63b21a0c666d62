"""A stand-in for Azure Machine Learning on this machine, and its faults."""

from typing import TYPE_CHECKING, Any

import pytest

from ft_platform_tests.compute.contract.service_profile import ServiceProfile, not_run

if TYPE_CHECKING:
    from ft_platform_tests.compute.azure_ml_service import AzureML

RAN_AGAINST = "stand-in"
NOT_RUN = not_run("Azure", "test_azure_ml.py")
REFUSED = {"compute": "no-cluster"}


def made() -> "AzureML":
    from ft_platform_tests.compute.azure_ml_service import AzureML

    return AzureML()


PLAYED = ServiceProfile(made)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("azure.identity", reason="extra `azure`")
    pytest.importorskip(
        "azure.ai", reason="azure-ai-ml, which brings the types of the API; its dependencies are not needed"
    )
    return {"options": PLAYED.service.options()}
