"""How many trainings a program still makes, for the budget that is asked before it starts."""

from functools import partial
from typing import Any

from ft_platform.costs.admission import admit
from ft_platform.environment import Environment
from ft_platform.experiments import curve, search, seeds
from ft_platform.lake import Lake, TableVersion
from ft_platform.use_case import NamedUseCase


def admit_program(
    lake: Lake, environment: Environment, use_case: NamedUseCase, program: str, splits: TableVersion | None, log: Any
) -> None:
    """Refuses a program that would go beyond a budget or would not fit, with all the trainings it still makes.

    Raises:
        BudgetExceeded, DoesNotFit: with numbers, setting and next step.
    """
    admit(
        lake, environment, use_case, program, splits, partial(trainings_left, lake, environment, use_case, program), log
    )


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
        return seeds.trainings_left(lake, environment, use_case, splits)
    left = search.trainings_left if program == "search" else curve.trainings_left
    return left(environment, use_case, splits)
