"""Alarms of monitored days as alerts."""

from collections.abc import Callable, Sequence

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.monitoring.day_reports import DayReport

CRITICAL_KINDS = ("service", "accuracy")
"""Kinds of alarms of a day report that tell of wrong or missing answers; others tell of a change."""


def of_day_reports(
    reports: Sequence[tuple[ArtifactVersion, DayReport]], link: Callable[[ArtifactVersion], str]
) -> list[Alert]:
    """The alarms of the newest report; its causes, which may quote words of requests, are left to the report.

    Args:
        reports: oldest day first.
        link: to the page of a report.
    """
    return [
        Alert(
            report.use_case,
            alarm.what,
            "critical" if alarm.kind in CRITICAL_KINDS else "warning",
            f"{alarm.evidence.rstrip('.')}. Since {alarm.since}; the newest day is {report.day}.",
            link(version),
            f"day_reports/{alarm.kind}/{alarm.what}/{alarm.since}",
        )
        for version, report in reports[-1:]
        for alarm in report.alarms
    ]
