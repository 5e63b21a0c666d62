"""A stand-in for a Databricks workspace on this machine, and its faults."""

from typing import TYPE_CHECKING, Any

import pytest

from ft_platform_tests.compute.contract.service_profile import ServiceProfile, not_run

if TYPE_CHECKING:
    from ft_platform_tests.compute.databricks_workspace import Workspace

RAN_AGAINST = "stand-in"
NOT_RUN = not_run("a cloud", "test_databricks.py")
REFUSED = {"runtime": "not_a_runtime"}


def made() -> "Workspace":
    from ft_platform_tests.compute.databricks_workspace import Workspace

    return Workspace()


PLAYED = ServiceProfile(made)
variables, jobs, left, preempt, lose_machine = (
    *(PLAYED.variables, PLAYED.jobs, PLAYED.left),
    *(PLAYED.preempt, PLAYED.lose_machine),
)
full, expired = PLAYED.full, PLAYED.expired


def settings() -> dict[str, Any]:
    pytest.importorskip("databricks.sdk", reason="extra `databricks`")
    from ft_platform_tests.compute.databricks_workspace import RUNTIME, SCOPE, WHEEL

    return {"options": {"wheel": WHEEL, "secret_scope": SCOPE, "runtime": RUNTIME, "node_type": "g6.xlarge"}}
