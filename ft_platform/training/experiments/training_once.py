"""One training of an experiment: the function that makes checkpoints, on other settings or fewer records, and nothing
published."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from ft_platform.errors import BudgetExceeded, ConfigError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import Training

OnStep = Callable[[int, dict[str, float]], None]


def with_training(use_case: NamedUseCase, **changes: Any) -> NamedUseCase:
    """The use case with other values of some training fields.

    Raises:
        ConfigError: the values do not go together.
    """
    settings = use_case.settings
    try:
        training = Training.model_validate({**settings.training.model_dump(), **changes})
        settings = UseCase.model_validate(settings.model_copy(update={"training": training}).model_dump())
    except ValidationError as error:
        raise ConfigError(
            [f"training: {problem['msg']}" for problem in error.errors()], "Change search.space"
        ) from error
    return use_case.model_copy(update={"settings": settings})


def require_steps(use_case: NamedUseCase, stage: str) -> None:
    """Returns where a training makes steps.

    Raises:
        ConfigError: a regression makes none, so such an experiment would show nothing.
    """
    training = use_case.settings.training
    if not training.makes_steps:
        raise ConfigError(
            [f"{stage} is about the steps of a training, and `training.method: {training.method}` makes none"],
            f"Try it with another method: ft run {use_case.name} --select {stage} --set training.method=lora",
        )


def train_once(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    on_step: OnStep = lambda step, values: None,
    choose: Callable[[Sequence[str]], Sequence[int]] | None = None,
    change: Callable[[Any], None] | None = None,
    **options: Any,
) -> tuple[Any, Any]:
    """`(TrainingRun, Prepared)`; the model holds the best weights.

    Args:
        on_step: called with each point of the curve; what it raises ends the training.
        choose: ids of the train records -> places of those to train on, rising. Default: all.
        change: gets what was prepared before the first step, and may add to its `rows`.
        options: `states` and `limit` of the loop.

    Raises:
        BudgetExceeded: nothing is left of a budget of this month.
        NanLoss, OutOfMemory: as in training.
    """
    from ft_platform.costs.budgets import used_up
    from ft_platform.costs.quotas import used_up_quota
    from ft_platform.training.fit_check import fitting_parts
    from ft_platform.training.prepare import fit, prepare

    profile = environment.profile(use_case.settings.compute.profile)
    limited = lake, environment, use_case, profile
    if gone := used_up(*limited) or used_up_quota(*limited):
        raise BudgetExceeded(
            f"the next training of {use_case.name} was not started: {gone}; the earlier ones are kept",
            "`ft costs` shows where it went. Raise the budget or wait for the next month, then run it again: it"
            " continues",
        )
    prepared = prepare(lake, environment, use_case, splits)
    if choose is not None:
        prepared.rows = [prepared.rows[place] for place in choose(prepared.sides["train"].record_ids)]
    if change is not None:
        change(prepared)
    fitting_parts(prepared, prepared.training, profile)
    return fit(prepared, prepared.training, on_step=on_step, **options), prepared
