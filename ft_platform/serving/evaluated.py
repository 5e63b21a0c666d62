"""The evaluation that a release rests on."""

from ft_platform.evaluation.abstaining import ALWAYS, SUGGESTION, Abstaining, abstaining
from ft_platform.evaluation.files import read_metrics
from ft_platform.lake.releases import Release
from ft_platform.lake.releases import evaluation_behind as evaluation_behind
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.gate import SUGGESTS
from ft_platform.use_case.settings.guardrails import Guardrails

FINE_TUNED = "fine_tuned"
"""The released model among the systems of an evaluation."""


def abstaining_of(lake: Lake, release: Release, guardrails: Guardrails) -> Abstaining | None:
    """When a released model abstains; None: it has no labels.

    Args:
        guardrails: of its use case now. They change nothing of a release that only suggests.
    """
    if release.record["kind"] == "open_answer":
        return None
    if release.record.get("claim") == SUGGESTS:
        return Abstaining(ALWAYS, 0.0, SUGGESTION)
    calibration = read_metrics(lake, evaluation_behind(lake, release))["calibration"]
    return abstaining(calibration.get(FINE_TUNED, {"selective": []})["selective"], guardrails)
