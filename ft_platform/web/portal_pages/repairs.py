"""What was measured about repairs of experts, for the pages that tell it."""

from typing import Any

from ft_platform.evaluation.annotation.effect_words import FILE, STAGE
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import Version
from ft_platform.reporting.published import intact_json


def effect_in(lake: Lake, use_case: str, evaluation: Version | None) -> dict[str, Any] | None:
    """The newest effect (`effect.measure_effect`), where it is about this evaluation. Raises as `intact_json`."""
    measured = next(iter(lake.artifacts(use_case, STAGE)), None)
    found = intact_json(lake, measured, FILE) if measured and evaluation else None
    return found if found and evaluation and found["with"] == evaluation.id else None
