"""An orchestrator that searches on Slurm with the small model of the kill test:
`python -m ft_platform_tests.compute.searching FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.compute import elsewhere
from ft_platform.compute.program_runs import ProgramResult, run_program
from ft_platform.training.experiments import study
from ft_platform.training.experiments.inputs import study_id, working_folder
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.experiments import Search
from ft_platform_tests.kill_test import case

SPACE = {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}, "rank": {"choices": [2, 4]}}


def use_case(folder: Path, parallel: int, epochs: float = 20.0) -> NamedUseCase:
    """Random trials without pruning: they are the same however many are made at once."""
    plain = case.use_case_of(folder).settings
    search = {"space": SPACE, "trials": 4, "startup_trials": 4, "prune": False, "parallel": parallel}
    changes: dict[str, Any] = {
        "search": Search.model_validate(search),
        "training": plain.training.model_copy(update={"epochs": epochs, "patience": 1000}),
        "compute": plain.compute.model_copy(update={"grace_seconds": 20}),
    }
    return NamedUseCase(name=case.NAME, settings=plain.model_copy(update=changes))


def trials(environment: Environment, folder: Path) -> list[Any]:
    """All that were begun, killed ones too."""
    found, splits = use_case(folder, 2), case.splits_of(folder)
    place = working_folder(environment, study.STAGE, found, study_id(found, splits))
    return study.open_study(place).get_trials(deepcopy=False) if (place / study.JOURNAL).exists() else []


def search(environment: Environment, folder: Path) -> ProgramResult:
    results: list[Any] = []

    @dg.asset(key=dg.AssetKey([case.NAME, study.STAGE]))
    def hyperparameter_search(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        try:
            splits = case.splits_of(folder).to_dict()
            results.append(run_program(context, environment, use_case(folder, 2), "search", {"splits": splits}))
        except BaseException as error:  # an interrupt is no Exception
            results.append(error)
        return dg.MaterializeResult()

    dg.materialize([hyperparameter_search], instance=dg.DagsterInstance.ephemeral())
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def main() -> None:
    elsewhere.AGAIN_SECONDS = 0.5
    print(json.dumps(search(load_environment(), Path(sys.argv[1])).values))


if __name__ == "__main__":
    main()
