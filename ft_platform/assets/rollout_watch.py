"""What watches a rollout: a sensor that ships what servers noted, decides, and switches the traffic."""

import dagster as dg

from ft_platform.assets.decorators import sensor
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

EVERY_SECONDS = 30


def rollout_watch(use_case: NamedUseCase) -> dg.SensorDefinition:
    """The sensor `<use_case>_rollout`."""

    @sensor(
        name=f"{use_case.name}_rollout",
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Promotes a new release of {use_case.name} that is tried on some traffic, or rolls it back.",
    )
    def look(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.monitoring.rollout.conducting import step

        try:
            seen = step(lake, environment, use_case)
        except FtError as error:
            context.log.warning(str(error))
            return dg.SkipReason(str(error))
        if seen is None:
            return dg.SkipReason("no rollout is under way")
        asked = f"{seen.rollout.candidate} after {seen.counts.candidate.requests} requests"
        if seen.reason:
            context.log.warning(f"{asked}: {seen.verdict.decision}, because {seen.reason}")
        return dg.SkipReason(f"{asked}: {seen.verdict.decision} {seen.reason}".strip())

    return look
