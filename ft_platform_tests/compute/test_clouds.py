"""What back ends for clouds have in common beside the contract, each against its stand-in: a machine that goes, and two
that work on one model."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ft_platform.errors import NanLoss
from ft_platform_tests.compute.contract.case import Case, once, profile_module

SERVERLESS = {"runtime": None, "node_type": None, "environment_version": "4", "accelerator": "GPU_1xA10"}
CLOUDS = {"azure_ml": {}, "gcp_vertex": {}, "databricks": SERVERLESS}
"""Back end -> options other than those of its contract; None: left out."""


@pytest.fixture
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = profile_module(request.param)
    assert found
    found.settings()
    for name, value in found.variables().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def case(request: pytest.FixtureRequest, cloud: ModuleType, environment: Any, tmp_path: Path) -> Case:
    name = request.node.callspec.params["cloud"]
    options = {**cloud.settings()["options"], **CLOUDS[name]}
    options = {option: value for option, value in options.items() if value is not None}
    return Case(name, environment, tmp_path, {"options": options})


@pytest.mark.integration
@pytest.mark.parametrize(
    ("cloud", "goes"),
    [("azure_ml", "preempt"), ("gcp_vertex", "preempt"), ("databricks", "lose_machine")],
    indirect=["cloud"],
)
def test_a_machine_that_goes_is_replaced_by_another(cloud: ModuleType, goes: str, case: Case) -> None:
    once(lambda: bool(case.beats("program")), 60, getattr(cloud, goes))
    once(lambda: case.starts() == 2, 120, case.go_on)
    assert case.run("waits").artifact.artifact_id == "a-1" and case.starts() == 2
    assert cloud.left() == cloud.jobs() == []


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("cloud", ["azure_ml", "gcp_vertex"], indirect=True)
def test_two_machines_work_on_one_model(cloud: ModuleType, case: Case) -> None:
    result = case.run("reports", processes=2, options={"nodes": 2})
    assert result.artifact.artifact_id == "a-1" and set(case.beats()) == {"alive-program-0", "alive-program-1"}
    with pytest.raises(NanLoss, match="loss is NaN at step 12"):
        case.run("fails", processes=2, options={"nodes": 2})
    assert cloud.left() == cloud.jobs() == []
