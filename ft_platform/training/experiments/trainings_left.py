"""How many trainings a program still makes. No torch here: it is asked before a program is started."""

from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.training.experiments import curve_results, seed_results
from ft_platform.training.experiments import study as studies
from ft_platform.training.experiments.inputs import experiment_inputs, recipe_id, seeds_of, study_id, working_folder
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def trainings_left(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    program: str,
    splits: TableVersion,
    figures: dict[str, Any],
) -> float:
    """How many trainings on all training records a program still makes, at most; a training on a share of them counts
    as that share.

    Args:
        figures: of the estimate of one training.
    """
    if program == "train":
        return 1.0
    if program == "canaries":
        return 1.0 + use_case.settings.attacks.canaries.rows / figures["examples"]
    if program == "seeds":
        return _of_seeds(lake, environment, use_case, splits)
    left = _of_search if program == "search" else _of_curve
    return left(environment, use_case, splits)


def _of_search(environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> float:
    """How many trials a search still makes. Those that were made on another machine are not known here."""
    folder = working_folder(environment, studies.STAGE, use_case, study_id(use_case, splits))
    made = 0
    if (folder / studies.JOURNAL).exists():
        made = studies.finished_of(studies.open_study(folder))
    return float(max(use_case.settings.search.trials - made, 0))


def _of_curve(environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> float:
    """How many trainings on all training records a curve still makes; one on a share of them counts as that share."""
    stage, settings = curve_results.STAGE, use_case.settings.learning_curve
    folder = working_folder(environment, stage, use_case, experiment_inputs(use_case, stage, splits)[0])
    made = curve_results.read(folder / curve_results.RESULTS)
    return max(sum(settings.points) * settings.repeats - sum(one["share"] for one in made), 0.0)


def _of_seeds(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> float:
    """How many trainings are still to be made. Unpublished ones that were made on another machine are not known
    here."""
    recipe = recipe_id(use_case, splits)
    made = seed_results.made(lake, use_case, recipe, working_folder(environment, seed_results.STAGE, use_case, recipe))
    return float(len(set(seeds_of(use_case)[1:]) - set(made)))
