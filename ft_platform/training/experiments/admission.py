"""Whether a program may start: there is budget for it, and it fits into memory. Asked where programs are launched,
before anything is paid for."""

from typing import Any

from ft_platform.costs.budgets import limits_of, require_budget
from ft_platform.costs.memory_needs import require_memory
from ft_platform.costs.quotas import has_quota, require_quota
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.stages import STAGES
from ft_platform.training import estimates
from ft_platform.training.continuing import start_of
from ft_platform.training.experiments.inputs import experiment_inputs
from ft_platform.training.experiments.trainings_left import trainings_left
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

EXPERIMENTS = {
    stage.program: stage.name for stage in STAGES.values() if stage.program and stage.trains and stage.kind == "report"
}
"""Program -> what it makes, of those that train and publish a report only."""


def require_left(
    lake: Lake, environment: Environment, use_case: NamedUseCase, program: str, splits: TableVersion | None
) -> None:
    """Refuses a program whose team has nothing left of its month, before it waits for a place.

    Raises:
        QuotaExceeded: with numbers, setting and next step.
    """
    trains = program in ("train", *EXPERIMENTS)
    if not (trains and splits and _is_made(lake, use_case, program, splits)):
        require_quota(lake, environment, use_case, program)


def admit_program(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    program: str,
    splits: TableVersion | None,
    log: Any,
) -> float | None:
    """Refuses a program that would go beyond a budget or a quota, or would not fit.

    What a training costs in advance is known from the estimate of an equal one on this machine; where a quota, or a
    budget and a price are set and there is none, it is made now. A search, a learning curve and further seeds count
    once for each training that they still make. Programs that do not train may start while the budget has something
    left.

    Returns:
        Seconds that it will take; None: not known.

    Raises:
        BudgetExceeded, QuotaExceeded, DoesNotFit: with numbers, setting and next step.
    """
    profile = environment.profile(use_case.settings.compute.profile)
    if program not in ("train", *EXPERIMENTS):
        splits = None
    if splits and _is_made(lake, use_case, program, splits):
        return 0.0  # it will be used again, which costs nothing
    require_budget(lake, environment, use_case, profile, program)
    require_quota(lake, environment, use_case, program)
    if splits is None:
        return None
    estimate = estimates.kept(environment, use_case, splits, profile)
    of_budget = profile.price_per_hour and limits_of(environment, use_case)
    if estimate is None and (of_budget or has_quota(environment, use_case, profile)):
        log.info("a budget or a quota is set: measuring a few steps of the training first")
        estimate = estimates.measure(environment, use_case, splits, profile)
    if estimate is None:
        return None
    search = use_case.settings.search
    together = program == "search" and profile.tasks_of(program, search) == 1
    at_once = search.parallel if together else 1
    require_memory(estimate.figures["memory_gib"] * at_once, profile, use_case, str(estimate.figures["device"]))
    trainings = trainings_left(lake, environment, use_case, program, splits, estimate.figures)
    require_budget(lake, environment, use_case, profile, program, round((estimate.money or 0.0) * trainings, 4))
    seconds = float(estimate.figures["seconds"]) * trainings
    require_quota(lake, environment, use_case, program, seconds)
    return seconds


def _is_made(lake: Lake, use_case: NamedUseCase, program: str, splits: TableVersion) -> bool:
    """Whether the program's result is in the lake, whole: a damaged one is made again."""
    if program == "seeds":
        return False  # which evaluation it is about is not known here; where it is made, no training is left
    stage = EXPERIMENTS.get(program, "adapter_checkpoint")
    made, _ = (
        experiment_inputs(use_case, stage, splits)
        if program in EXPERIMENTS
        else checkpoint_inputs(use_case, splits, start_of(lake, use_case, splits))
    )
    return lake.intact_artifact(use_case.name, stage, made) is not None
