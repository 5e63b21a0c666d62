"""What removes sealed rows of erased persons on the last day: a sensor of the installation."""

from datetime import UTC, datetime

import dagster as dg

from ft_platform.errors.vouched import vouch
from ft_platform.lake.opening import open_lake
from ft_platform.people.loading import use_cases_of
from ft_platform.people.person import at_this_machine
from ft_platform.use_case.settings.environment import Environment

WATCH_SECONDS = 3600


def erasure_watch(environment: Environment) -> dg.SensorDefinition:
    """The sensor `sealed_rows`."""

    @dg.sensor(
        name="sealed_rows",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Destroys rows of erased persons that wait for a measurement of weights, on their last day.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from ft_platform.erasure.weights import destroy_overdue
        from ft_platform.errors import FtError
        from ft_platform.release.erasures import requests

        lake, gone, today = open_lake(environment), 0, datetime.now(UTC).date()
        for use_case in use_cases_of(environment).values():
            try:
                known = requests(lake, use_case) if lake.signing else []
                gone += destroy_overdue(lake, environment, use_case, known, at_this_machine(), today)
            except FtError as error:  # those of other use cases go all the same
                context.log.warning(vouch(f"{use_case.name}: {error}"))
        return dg.SkipReason(vouch(f"{gone} requests had sealed rows that are destroyed"))

    return sensor
