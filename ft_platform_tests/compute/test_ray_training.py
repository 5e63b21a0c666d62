"""A real training on two nodes of a real Ray cluster, one of which is killed, and a stage on Ray Data there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute import elsewhere
from ft_platform.compute.program_runs import run_program
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.compute.contract.case import once, profile_module
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.components(name="ray_cluster")]
REAL: Any = profile_module("ray")
TRAINING = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 60, "epochs": 100, "dropout": 0.1}

STAGES = """
import json, sys
from pathlib import Path
from ft_platform_tests.engines.test_same_content_hash import made
found = {name: one.version.content_hash for name, one in made(sys.argv[1], Path(sys.argv[2])).items()}
if sys.argv[1] == "ray":
    import ray
    found["nodes"] = len([one for one in ray.nodes() if one["Alive"]])
print(json.dumps(found))
"""


@pytest.fixture
def faults() -> Any:
    REAL.settings()
    yield REAL
    REAL.mend()


def test_a_training_that_loses_a_node_goes_on_to_the_weights_of_one_machine(
    faults: Any, environment: Environment, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on one machine by torchrun; two nodes; two nodes of which one is killed, after which both processes
    run on the other. All three learn the same, to the bit."""
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.5)
    model = save_tiny_model(tmp_path / "tiny")
    use_case = use_case_for(model, **TRAINING, validations_per_epoch=1, patience=1000)
    limits = use_case.settings.compute.model_copy(update={"save_minutes": 0.0, "threads": 2, "grace_seconds": 20})
    use_case = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"compute": limits})})
    splits, published = usable_splits(lake, use_case), Path(lake.root) / "shared" / "complaints" / "adapter_checkpoint"
    states = Path(lake.root) / "shared" / "complaints" / ".training"
    cluster = faults.cluster()

    def trained(name: str, profile: ComputeProfile) -> tuple[str, list[int]]:
        used, found = environment.model_copy(update={"profiles": {"local": profile}}), []

        @dg.asset
        def adapter_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            found.append(run_program(context, used, use_case, "train", {"splits": splits.to_dict()}))
            return dg.MaterializeResult()

        dg.materialize([adapter_checkpoint], instance=dg.DagsterInstance.ephemeral())
        manifest = lake.manifest(found[0].artifact)
        assert manifest.info["processes"] == 2
        os.rename(published, tmp_path / name)
        return manifest.files["adapter_model.safetensors"], [one["from_step"] for one in manifest.info["attempts"]]

    variables = {"PYTHONPATH": str(REPOSITORY), "FT_TRACKERS": "none"}
    on_ray = ComputeProfile(
        backend="ray",
        processes=2,
        environment=variables,
        options={**faults.settings()["options"], "nodes": 2, "cpus": 0.5},
    )
    weights, _ = trained("torchrun", ComputeProfile(backend="torchrun", processes=2, environment=variables))
    assert trained("ray", on_ray) == (weights, [0])
    where: list[list[str]] = []

    def lose() -> None:
        cluster.until(lambda: len(cluster.working()) == 2)
        where.append(sorted(cluster.working()))
        cluster.kill("two")

    losing = once(lambda: any(states.glob("*/step-*")), 240, lose)
    found, from_steps = trained("lost", on_ray)
    losing.join()
    assert where == [["one", "two"]] and found == weights
    assert len(from_steps) == 2 and from_steps[1] > 0


def test_data_stages_come_to_the_same_rows_on_the_nodes_of_a_cluster(faults: Any, tmp_path: Path) -> None:
    """`engine: ray` with `RAY_ADDRESS`: no Ray of its own is started."""
    cluster = faults.cluster()
    found = {}
    for engine in ("in_process", "ray"):
        words = [sys.executable, "-c", STAGES, engine, str(tmp_path / engine)]
        variables = {**cluster.variables(), "RAY_ADDRESS": f"127.0.0.1:{cluster.port}"}
        made = subprocess.run(words, env=variables, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
        assert made.returncode == 0, made.stderr[-2000:]
        found[engine] = json.loads(made.stdout.splitlines()[-1])
    assert found["ray"].pop("nodes") == 3 and found["ray"] == found["in_process"]
