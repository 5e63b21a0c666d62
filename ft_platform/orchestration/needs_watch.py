"""What tells people once a day what waits for them: a sensor of the installation."""

from datetime import UTC, datetime

import dagster as dg

from ft_platform.errors.vouched import vouch
from ft_platform.lake.opening import open_lake
from ft_platform.people.loading import permissions_of
from ft_platform.use_case.settings.environment import Environment

WATCH_SECONDS = 300


def needs_watch(environment: Environment) -> list[dg.SensorDefinition]:
    """The sensor `needs_digest`; none where `people.digest` names no channel."""
    settings = environment.people.digest
    if settings is None:
        return []

    @dg.sensor(
        name="needs_digest",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells each person once a day what waits for them, if that has changed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.monitoring.alerts.delivery import deliver
        from ft_platform.web.portal_pages.digest import due_on, queue_digests

        now, problems, queued = datetime.now(UTC), list[str](), 0
        try:
            if (day := due_on(settings, now)) and day != context.cursor:
                queued = queue_digests(environment, open_lake(environment), permissions_of(environment), now)
                context.update_cursor(day)
        except FtError as error:  # what waits to be sent is sent all the same
            problems.append(str(error))
        finally:
            problems += [f"{name}: {problem}" for name, problem in deliver(environment).items()]
        for problem in problems:
            context.log.warning(vouch(problem))
        return dg.SkipReason(vouch("; ".join(problems) or f"{queued} messages about what waits"))

    return [sensor]
