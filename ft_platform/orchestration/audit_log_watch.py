"""Anchors the audit log and forwards its entries: a sensor beside the runs. A place that is down gets them later, and
nobody waits for it."""

import dagster as dg

from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.audit_log.sending import send
from ft_platform.process.vouched import vouch
from ft_platform.settings.environment import Environment

WATCH_SECONDS = 30
TICK_SECONDS = 30.0
"""A sensor of Dagster has 60."""


def audit_log_watch(environment: Environment) -> list[dg.SensorDefinition]:
    """The sensor `audit_log`; none where nothing leaves the installation."""
    if not (environment.audit_log.anchors or environment.audit_log.forward):
        return []

    @dg.sensor(
        name="audit_log",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Anchors the audit log and forwards its entries.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        arrived, problems = send(audit_log_of(open_lake(environment)), environment, TICK_SECONDS)
        for problem in problems:
            context.log.warning(vouch(problem))
        return dg.SkipReason(vouch("; ".join([f"{arrived} entries and checkpoints sent", *problems])))

    return [sensor]
