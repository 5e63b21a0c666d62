"""What watches deployments between two runs, and leads back: a sensor on the targets, a daily comparison with the
evaluation, and the job that goes back to an earlier release."""

import json
from typing import Any

import dagster as dg

from ft_platform.assets.asset_keys import asset_keys
from ft_platform.assets.decorators import sensor
from ft_platform.assets.jobs import asset_job
from ft_platform.lake.store import Lake
from ft_platform.stages import DEPLOYMENT, SERVED_CHECK, way_back
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

PARITY_CRON = "41 3 * * *"
"""Every day at 03:41 UTC: off the full hour, after the sweep for withdrawn records."""
WATCH_SECONDS = 60


def deployment_watch(use_case: NamedUseCase) -> list:
    """The jobs `<use_case>_parity` and `<use_case>_rollback`, the daily schedule of the first, and a sensor."""
    checks = [dg.AssetCheckKey(asset, SERVED_CHECK) for asset in asset_keys(use_case, DEPLOYMENT)]
    parity = asset_job(
        use_case,
        f"{use_case.name}_parity",
        selection=dg.AssetSelection.checks(*checks),
        description=f"Asks what serves {use_case.name} test records, and compares the answers with the evaluation.",
    )
    schedule = dg.ScheduleDefinition(
        name=f"{use_case.name}_parity",
        job=parity,
        cron_schedule=PARITY_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    back = asset_job(
        use_case,
        way_back(use_case.name),
        selection=dg.AssetSelection.assets(*asset_keys(use_case, "release"), *asset_keys(use_case, DEPLOYMENT)),
        description=f"Goes back to the release of {use_case.name} before the present one, at every target.",
    )
    return [parity, back, schedule, _sensor(use_case, parity)]


def _sensor(use_case: NamedUseCase, parity: Any) -> dg.SensorDefinition:
    @sensor(
        name=f"{use_case.name}_deployments",
        job=parity,
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Looks at the targets of {use_case.name}: takes away what was withdrawn, compares what was started anew."
        ),
    )
    def look(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.RunRequest | dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.lake.deployments import deployments
        from ft_platform.serving.targets.opening import open_target
        from ft_platform.serving.upkeep import take_away_withdrawn

        seen, now, problems = json.loads(context.cursor or "{}"), {}, []
        try:
            for name, release in take_away_withdrawn(lake, environment, use_case).items():
                context.log.warning(f"{name}: what was withdrawn is served no more; now {release or 'nothing'} is")
        except FtError as error:
            problems.append(str(error))
        for name in use_case.settings.serving.targets:
            try:
                if deployments(lake, use_case.name, name):
                    state = open_target(environment, use_case, name).status()
                    now[name] = f"{state.state} {state.live} {state.started}"
            except FtError as error:
                problems.append(f"{name}: {error}")
        changed = [name for name, found in now.items() if seen.get(name) not in (None, found)]
        context.update_cursor(json.dumps({**seen, **now}))
        for problem in problems:
            context.log.warning(problem)
        if changed:  # without a key: what happened before may happen again
            return dg.RunRequest()
        return dg.SkipReason("; ".join(problems) or f"{len(now)} target(s), nothing changed")

    return look
