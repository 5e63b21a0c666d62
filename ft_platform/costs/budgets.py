"""What is left of the budgets of a month, and the refusal of a program that would go beyond."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.costs.ledger import Ledger, month_of
from ft_platform.errors import BudgetExceeded
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment


@dataclass(frozen=True)
class Budget:
    """One limit of a calendar month and what of it is spent.

    Attributes:
        setting: where the limit is set.
    """

    setting: str
    limit: float
    spent: float
    currency: str

    @property
    def left(self) -> float:
        return max(self.limit - self.spent, 0.0)


EVERYTHING = "budgets.per_month of the environment"
"""The limit that all use cases share."""


def limits_of(environment: Environment, use_case: NamedUseCase) -> dict[str, float]:
    """Setting -> limit, for every limit that a use case's programs are under."""
    budgets = environment.budgets
    named = f"budgets.use_cases.{use_case.name}" if use_case.name in budgets.use_cases else "budgets.per_use_case"
    limits = {
        "compute.budget_per_month": use_case.settings.compute.budget_per_month,
        f"{named} of the environment": budgets.of(use_case.name),
        EVERYTHING: budgets.per_month,
    }
    return {setting: limit for setting, limit in limits.items() if limit is not None}


def budgets_of(
    lake: Lake, environment: Environment, use_case: NamedUseCase, profile: ComputeProfile, month: str | None = None
) -> list[Budget]:
    """Every limit of a use case with what this month's program runs have cost so far, running ones included."""
    limits = limits_of(environment, use_case)
    if not limits:
        return []
    return budgets_from(Ledger(lake).rows(month or month_of()), limits, use_case.name, profile.currency)


def budgets_from(
    rows: Iterable[Mapping[str, Any]], limits: Mapping[str, float], use_case: str, currency: str
) -> list[Budget]:
    """The limits of a use case with what these rows of the ledger, of all use cases, cost."""
    rows = [row for row in rows if row["currency"] == currency]
    everything, own = spent(rows), spent(row for row in rows if row["use_case"] == use_case)
    return [
        Budget(setting, limit, everything if setting == EVERYTHING else own, currency)
        for setting, limit in limits.items()
    ]


def used_up(lake: Lake, environment: Environment, use_case: NamedUseCase, profile: ComputeProfile) -> str | None:
    """Which budget of this month has nothing left, running programs included, in words; None if there is none."""
    if not profile.price_per_hour:
        return None
    gone = next((budget for budget in budgets_of(lake, environment, use_case, profile) if budget.left <= 0), None)
    return (
        f"{gone.spent:.2f} of {gone.limit:.2f} {gone.currency} of this month's budget ({gone.setting}) is spent"
        if gone
        else None
    )


def spent(rows: Any) -> float:
    """Money of ledger rows; a budget counts programs without a price as free."""
    return round(sum(row["money"] or 0.0 for row in rows), 4)


def require_budget(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    profile: ComputeProfile,
    program: str,
    expected: float = 0.0,
) -> None:
    """Refuses a program that would go beyond a budget of this month.

    Args:
        expected: what it will cost, as far as that is known; without it a budget must have something left.

    Raises:
        BudgetExceeded: with the numbers and the setting.
    """
    if not profile.price_per_hour:
        return
    for budget in budgets_of(lake, environment, use_case, profile):
        if budget.left > 0 and expected <= budget.left:
            continue
        costs = f"it would cost {expected:.2f} {budget.currency} and " if expected else ""
        raise BudgetExceeded(
            f"program {program} of {use_case.name} was not started: {costs}{budget.spent:.2f} of {budget.limit:.2f}"
            f" {budget.currency} of this month's budget ({budget.setting}) are spent",
            f"See where it went with: ft costs; then raise {budget.setting}, wait for the next month, or train less: ft"
            f" estimate {use_case.name}",
        )
