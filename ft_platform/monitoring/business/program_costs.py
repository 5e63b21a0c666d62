"""What the program runs behind an evaluated checkpoint have cost: its training and its evaluations, from the ledger."""

from typing import Any

from ft_platform.costs.ledger import Ledger
from ft_platform.costs.spent import spent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

PROGRAM_ARTIFACTS = ("adapter_checkpoint", "base_evaluation")


def program_costs(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation_report: ArtifactVersion
) -> dict[str, Any]:
    """Sums over the program runs that made a checkpoint and its evaluations, repeated runs included.

    Runs that failed made no artifact, so they are not here; `ft costs` has them.

    Returns:
        `{"artifacts", "runs", "seconds", "money", "currency", "reason"}`. `money` is None, with its reason, where no
        run is in the ledger or the compute profile had no price.
    """
    parents = lake.manifest(evaluation_report).parents
    artifacts = [evaluation_report.artifact_id, *(parent.id for parent in parents if parent.name in PROGRAM_ARTIFACTS)]
    rows = [row for row in Ledger(lake).rows() if row["use_case"] == use_case.name and row["artifact"] in artifacts]
    currency = environment.profile(use_case.settings.compute.profile).currency
    money = spent(rows).get(currency)
    reason = None
    if not rows:
        reason = "no program run of this checkpoint is in the ledger"
    elif any(row["currency"] != currency for row in rows):
        reason = "the program runs are priced in another currency than the environment's"
    elif unpriced := sorted({row["profile"] for row in rows if row["money"] is None}):
        reason = f"compute profile {' and '.join(unpriced)} has no price"
    seconds = round(sum(row["seconds"] for row in rows), 3)
    return {
        "artifacts": artifacts,
        "runs": len(rows),
        "seconds": seconds,
        "money": None if reason else money,
        "currency": currency,
        "reason": reason,
    }
