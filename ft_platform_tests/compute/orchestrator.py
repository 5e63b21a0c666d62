"""An orchestrator that trains the small model of the kill test:
`python -m ft_platform_tests.compute.orchestrator FOLDER NAME PRIORITY EPOCHS`. Several share one Dagster instance and
one lake, and so one place in the pool."""

import json
import sys
from pathlib import Path

import dagster as dg

from ft_platform.compute import pool, running
from ft_platform.compute.program_runs import run_program
from ft_platform.lake.opening import open_lake
from ft_platform.models.adapter import weights_file
from ft_platform.orchestration.instance import prepare_home
from ft_platform.orchestration.lost_runs import mend_lost_runs
from ft_platform.orchestration.run_launcher import this_process
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.kill_test import case

ENVIRONMENT = """
home: {folder}
lake_root: {folder}/lake
tracking_uri: none
profiles: {{local: {profile}}}
quotas: {{teams: {{platform: {{priority: high}}}}}}
queue: {{least_minutes: 0, spare_minutes: 0}}
"""


def use_case(folder: Path, name: str, priority: str, epochs: float) -> NamedUseCase:
    plain = case.use_case_of(folder).settings
    training = plain.training.model_copy(update={"epochs": epochs})
    compute = plain.compute.model_copy(update={"priority": priority})
    return NamedUseCase(name=name, settings=plain.model_copy(update={"training": training, "compute": compute}))


def train(environment: Environment, folder: Path, name: str, priority: str, epochs: float) -> dict[str, object]:
    """Trains in a run of its own, once it has a place. Returns hash of the weights and number of attempts."""
    lake, found = open_lake(environment), use_case(folder, name, priority, epochs)
    splits = lake.latest(name, "splits")
    assert splits
    results = []

    @dg.asset(key=dg.AssetKey([name, "adapter_checkpoint"]))
    def adapter_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        results.append(run_program(context, environment, found, "train", {"splits": splits.to_dict()}))
        return dg.MaterializeResult()

    prepare_home(environment)
    with dg.DagsterInstance.get() as instance:
        mend_lost_runs(instance)
        assert dg.materialize([adapter_checkpoint], instance=instance, tags=this_process().tag()).success
    manifest = lake.manifest(results[0].artifact)
    return {"weights": manifest.files[weights_file(manifest.files)], "attempts": len(manifest.info["attempts"])}


def main() -> None:
    folder, name, priority, epochs = sys.argv[1:]
    pool.LOOK_SECONDS = running.ROOM_SECONDS = 0.2
    print(json.dumps(train(load_environment(), Path(folder), name, priority, float(epochs))))


if __name__ == "__main__":
    main()
