"""Alarms that a person looked at: a verdict beside the report of the day. The next day starts that measure anew."""

from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.day_reports import STAGE, day_reports
from ft_platform.people.audit_log.opening import note
from ft_platform.process.account import this_account
from ft_platform.process.reasons import require_reason

PREFIX = "acknowledged_"


def acknowledge(lake: Lake, use_case: str, measure: str, reason: str, by: str = "") -> dict[str, Any]:
    """Notes that somebody looked at an alarm of the newest report, and why it may end.

    Raises:
        ConfigError: the reason is too short.
        DataError: there is no such alarm.
    """
    reason = require_reason(reason)
    version, report = next(iter(day_reports(lake, use_case, 1)), (None, None))
    names = [one.what for one in report.alarms] if report else []
    if version is None or measure not in names:
        raise DataError(f"{measure} has no alarm to acknowledge", f"Alarms: {', '.join(names) or 'none'}")
    said = {"measure": measure, "reason": reason, "by": by or this_account()}
    note(lake, use_case, "evidence", "acknowledged an alarm", by, measure=measure, reason=reason)
    noted = lake.add_verdict(version, f"{PREFIX}{measure}", True, "", said)
    return {**said, "at": noted.checked_at}


def acknowledged_on(lake: Lake, use_case: str, day: str) -> dict[str, dict[str, Any]]:
    """Measure -> who acknowledged its alarm on the reports of a day, and why: the report may have been made again."""
    reports = [one for one in lake.artifacts(use_case, STAGE) if lake.manifest(one).info["day"] == day]
    return {measure: said for one in reversed(reports) for measure, said in acknowledged(lake, one).items()}


def acknowledged(lake: Lake, report: ArtifactVersion) -> dict[str, dict[str, Any]]:
    """The same on one report."""
    found = lake.verdicts(report)
    return {
        verdict.numbers["measure"]: {**verdict.numbers, "at": verdict.checked_at}
        for name, verdict in sorted(found.items())
        if name.startswith(PREFIX)
    }
