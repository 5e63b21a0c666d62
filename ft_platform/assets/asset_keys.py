"""The assets of a stage in one use case."""

import dagster as dg

from ft_platform.stages import DEPLOYMENT
from ft_platform.use_case.named import NamedUseCase

MEASUREMENTS = "measurements"
"""External asset: the files that `business.measurements` names."""


def asset_keys(use_case: NamedUseCase, stage: str) -> list[dg.AssetKey]:
    """One asset, or of `deployment` one for each target."""
    if stage == DEPLOYMENT:
        return [dg.AssetKey([use_case.name, stage, target]) for target in use_case.settings.serving.targets]
    return [dg.AssetKey([use_case.name, stage])]
