"""How many trainings a program still makes, for the budget that is asked before it starts."""

from ft_platform.environment import Environment
from ft_platform.experiments import curve, search, seeds
from ft_platform.lake import Lake, TableVersion
from ft_platform.use_case import NamedUseCase


def trainings_left(lake: Lake, environment: Environment, use_case: NamedUseCase, program: str, splits: TableVersion, examples: float) -> float:
    """How many trainings on all training records a program still makes, at most; a training on a share of them counts as that share.

    Args:
        examples: of one training.
    """
    if program == "train":
        return 1.0
    if program == "canaries":
        return 1.0 + use_case.settings.attacks.canaries.rows / examples
    if program == "seeds":
        return seeds.trainings_left(lake, environment, use_case, splits)
    left = search.trainings_left if program == "search" else curve.trainings_left
    return left(environment, use_case, splits)
